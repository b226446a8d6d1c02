import { waitFor } from '../../lib/conditions.ts';
import { getObjects, throughOutage } from '../../gitops/kubectl.ts';
import { observeStale, removeStale } from '../../gitops/stale.ts';
import type { Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { discover } from '../../nodes/discover.ts';
import { TALOS_PORT } from '../../talos/fingerprint.ts';
import { restartKubelet } from '../../talos/talosctl-recover.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/** A kubelet renews its Lease every 10 s; one that has not within this time, in milliseconds, does not find the way back by itself. */
const BEAT_MS = 60_000;

/** For so long, in milliseconds, nothing has to answer on Talos's port of a node before it is taken for dead as well: a Pi restarts in one to three minutes. */
const AWAY_MS = 5 * 60_000;

/** How a node stands to an API server that came back: it has no Node object, its kubelet was last heard before, or it was heard since. */
type Standing = 'unknown' | 'silent' | 'heard';

/**
 * The node's kubelet has spoken to the API server since `since` (milliseconds since 1970): what an old state says of its readiness is of
 * that time. Nothing is done to a kubelet that comes back by itself; one whose Node is not there makes it only when it starts, so that
 * it is started anew, and so is one that stays silent. Its pods run on meanwhile, and the machine is not restarted. A node on whose
 * Talos port nothing answers died too: it is told (`recovery.away`), noted in `away`, and not waited for: its own rebuild waits for this.
 */
export function rejoinStep(facts: Facts, node: ClusterNode, since: number, needs: readonly string[], deadlineMs: number, away: Set<string> = new Set()): Step {
  const look = (host: Host): Promise<Standing> => standingOf(host, facts, node.name, since);
  let restarted = false;
  const restart = async (host: Host, why: string): Promise<void> => {
    await restartKubelet(host, await facts.access(host, node));
    restarted = true;
    host.emit({ code: 'recovery.kubelet', message: `the kubelet of ${node.name} was started anew: ${why}` });
  };
  return {
    id: `rejoin:${node.name}`, part: 'Recovery', title: `${node.name} has found the API server again`, node: node.name, needs,
    async observe(host) {
      if (away.has(node.name)) return { state: 'done', detail: awayText(facts, node) };
      const standing = await look(host);
      if (standing === 'heard') return { state: 'done', detail: restarted ? 'after its kubelet was started anew' : 'by itself' };
      return { state: 'needed', why: standing === 'unknown' ? 'Kubernetes has no such Node' : 'not heard since' };
    },
    async act(host) {
      const begun = host.clock.now();
      let silentSince: number | undefined;
      await waitFor({
        name: `the kubelet of ${node.name} speaks to the API server`, deadlineMs, everyMs: 1_000,
        hint: `Look at \`talosctl -n ${node.address} service kubelet\` and \`logs kubelet\`: it needs the endpoint and the CAs of before.`,
        look: () => throughOutage(async () => {
          const standing = await look(host);
          if (standing === 'heard') return { met: true, value: true };
          if ((await discover(host, { addresses: [node.address], port: TALOS_PORT, timeoutMs: 2_000 })).length === 0) {
            silentSince ??= host.clock.now();
            if (host.clock.now() - silentSince < Math.min(AWAY_MS, deadlineMs / 2)) return { met: false, seen: `nothing answers at ${node.address}` };
            away.add(node.name);
            host.emit({ code: 'recovery.away', message: awayText(facts, node) });
            return { met: true, value: true };
          }
          silentSince = undefined;
          if (!restarted && standing === 'unknown') await restart(host, 'Kubernetes had no such Node');
          if (!restarted && host.clock.now() - begun > BEAT_MS) await restart(host, 'it was silent for a minute');
          return { met: false, seen: standing === 'unknown' ? 'no Node yet' : 'not heard since' };
        }),
      }, host);
    },
  };
}

/** The same step, not waited for where the node died too. */
export function unlessAway(step: Step, facts: Facts, node: ClusterNode, away: ReadonlySet<string>): Step {
  return { ...step, observe: async (host) => (away.has(node.name) ? { state: 'done', detail: awayText(facts, node) } : step.observe(host)) };
}

function awayText({ cluster }: Facts, { name, address }: ClusterNode): string {
  return `! nothing answers at ${address}: ${name} died too, and is to be rebuilt next (firstlight rebuild ${cluster.name} ${name}; where what is under way waits for it, give that up before)`;
}

async function standingOf(host: Host, facts: Facts, name: string, since: number): Promise<Standing> {
  if ((await getObjects(host, facts.kubeconfig, [`node/${name}`])).length === 0) return 'unknown';
  const [lease] = await getObjects(host, facts.kubeconfig, ['-n', 'kube-node-lease', `lease/${name}`]);
  return Date.parse(String(lease?.spec?.['renewTime'] ?? '')) > since ? 'heard' : 'silent';
}

/** What the old state brought back of machines that are no more is gone: their Nodes, VolumeAttachments, Pods, Leases. Each deletion is told. */
export function staleStep(facts: Facts, needs: readonly string[]): Step {
  const declared = facts.cluster.nodes.map((node) => node.name);
  const look = (host: Host) => observeStale(host, facts.kubeconfig, declared, host.clock.now());
  return {
    id: 'stale', part: 'Recovery', title: 'No ghosts', needs,
    async observe(host) {
      const { stale, strangers } = await look(host);
      if (stale.length > 0) return { state: 'needed', why: stale.map(({ kind, name, why }) => `${kind} ${name}: ${why}`).join('; ') };
      return { state: 'done', detail: strangers.length === 0 ? 'nothing of machines that are no more' : `not declared, but alive, so left alone: ${strangers.join(', ')}` };
    },
    act: async (host) => removeStale(host, facts.kubeconfig, (await look(host)).stale),
  };
}
