import { waitFor } from '../../lib/conditions.ts';
import type { Host } from '../../lib/host.ts';
import { getObjects, throughOutage, type KubeObject } from '../../gitops/kubectl.ts';
import type { Nas } from '../../nodes/cluster.ts';
import { withDsm, type Dsm } from '../../storage/dsm/session.ts';
import { allowOneSession, allowSessions, type DsmTarget } from '../../storage/dsm/targets.ts';
import { match, type NasContents } from '../../storage/findings.ts';
import { nasPassword } from '../../storage/secrets.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import { contentsOfNas, targetsOf } from '../storage-view.ts';
import { trustedNas } from '../steps/nas-certificate.ts';
import { refuseOldCard } from './etcd.ts';
import { observeEtcd } from '../../talos/etcd.ts';

/** Milliseconds for a pod that Kubernetes does not know any more to end and let go of its volume: its grace period, and what unmounting takes. */
const LET_GO_MS = 5 * 60_000;

/** A target of a declared LUN, and the claim it is for (`namespace/name`), where it is for one. */
type Held = { readonly lun: string; readonly claim?: string; readonly target: DsmTarget };

/**
 * Before an earlier state of Kubernetes comes back, the NAS lets only one initiator into each declared LUN: that state may say that a
 * pod with a LUN runs on another worker than the one that has it mounted now, whose pod Kubernetes then does not know and ends only by
 * and by. Two of them would write one file system. Not begun any more once etcd runs: it stood before that.
 */
export function oneWriterStep(facts: Facts, nas: Nas, needs: readonly string[]): Step {
  const open = async (host: Host): Promise<readonly Held[]> => (await held(host, facts, nas)).filter(({ target }) => target.max_sessions !== 1);
  return {
    id: 'one-writer', part: 'Recovery', title: 'One writer for each LUN', needs,
    async observe(host) {
      if (await etcdRuns(host, facts)) return { state: 'done', detail: 'etcd runs already' };
      const luns = await open(host);
      return luns.length === 0 ? { state: 'done', detail: 'the NAS lets one session into each' } : { state: 'needed', why: `several may open ${names(luns)}` };
    },
    act: async (host) => {
      const luns = await open(host);
      await onNas(host, facts, nas, async (dsm) => { for (const { target } of luns) await allowOneSession(dsm, target.target_id); });
    },
  };
}

/**
 * No LUN is held by a worker on which Kubernetes knows no pod for it; then the targets are open again for as many sessions as there are
 * nodes. `away` are nodes that don't answer. To be asked once every other kubelet has spoken to the API server: pods that are not known there end.
 */
export function writersSettledStep(facts: Facts, nas: Nas, needs: readonly string[], away: ReadonlySet<string> = new Set()): Step {
  const look = async (host: Host): Promise<{ readonly orphans: readonly string[]; readonly closed: readonly Held[] }> => {
    const [luns, pods] = [await held(host, facts, nas), await getObjects(host, facts.kubeconfig, ['pods', '--all-namespaces'])];
    return { orphans: luns.flatMap((each) => orphansOf(facts, each, pods, away)), closed: luns.filter(({ target }) => target.max_sessions === 1) };
  };
  return {
    id: 'writers-settled', part: 'Recovery', title: 'No LUN is held by a pod of before', needs,
    async observe(host) {
      const { orphans, closed } = await look(host);
      if (orphans.length > 0) return { state: 'needed', why: orphans.join('; ') };
      return closed.length > 0 ? { state: 'needed', why: `to be opened again: ${names(closed)}` } : { state: 'done', detail: 'each is free, or held where Kubernetes knows it' };
    },
    async act(host) {
      await waitFor({
        name: 'no LUN is held by a pod that Kubernetes does not know', deadlineMs: LET_GO_MS, everyMs: 1_000,
        hint: 'See `talosctl containers -k` on the node named above for the pod that still runs; `talosctl reboot` of that node ends it; one that does not answer is to be switched off. Then run the same command again.',
        look: () => throughOutage(async () => {
          const { orphans } = await look(host);
          return orphans.length === 0 ? { met: true, value: true } : { met: false, seen: orphans.join('; ') };
        }),
      }, host);
      const { closed } = await look(host);
      await onNas(host, facts, nas, async (dsm) => { for (const { target } of closed) await allowSessions(dsm, target.target_id); });
    },
  };
}

async function held(host: Host, facts: Facts, nas: Nas): Promise<readonly Held[]> {
  const contents: NasContents = await contentsOfNas(host, facts);
  return nas.luns.flatMap((lun) => {
    const found = match(contents, lun).lun;
    if (!found) return [];
    return targetsOf(contents, found).map((target) => ({ lun: lun.name, target, ...(lun.claim ? { claim: `${lun.claim.namespace}/${lun.claim.name}` } : {}) }));
  });
}

/** Sessions of a LUN, as sentences, that forbid another writer: from nodes on which no pod with its claim is, and from those that are `away`: what still runs there nobody can say. Pure. */
export function orphansOf(facts: Pick<Facts, 'cluster'>, { lun, claim, target }: Held, pods: readonly KubeObject[], away: ReadonlySet<string>): readonly string[] {
  if (claim === undefined) return [];
  const users = new Set(pods.filter((pod) => claimsOf(pod).includes(claim)).map((pod) => String(pod.spec?.['nodeName'])));
  const holders = target.connected_sessions.flatMap(({ ip }) => facts.cluster.nodes.find((node) => node.address === ip)?.name ?? []);
  return [...new Set(holders)].flatMap((name) => (away.has(name) ? [`${name} holds ${lun}, and does not answer`] : users.has(name) ? [] : [`${name} holds ${lun}, and Kubernetes has no pod for it there`]));
}

function claimsOf(pod: KubeObject): readonly string[] {
  const volumes = (pod.spec?.['volumes'] ?? []) as readonly { readonly persistentVolumeClaim?: { readonly claimName: string } }[];
  return volumes.flatMap(({ persistentVolumeClaim: claim }) => (claim ? [`${pod.metadata.namespace ?? 'default'}/${claim.claimName}`] : []));
}

async function etcdRuns(host: Host, facts: Facts): Promise<boolean> {
  for (const node of facts.cluster.nodes.filter((each) => each.role === 'control plane')) {
    await refuseOldCard(host, facts, node);
    const seen = await observeEtcd(host, node.name, await facts.access(host, node));
    if (seen.asked && seen.phase === 'running') return true;
  }
  return false;
}

async function onNas(host: Host, facts: Facts, nas: Nas, work: (dsm: Dsm) => Promise<void>): Promise<void> {
  await withDsm(host, await trustedNas(host, facts, nas), nasPassword(await facts.credentials(host)), work);
}

function names(luns: readonly Held[]): string {
  return [...new Set(luns.map(({ lun }) => lun))].join(', ');
}
