import { join } from 'node:path';
import { createFacts } from '../../bootstrap/facts.ts';
import { seeState, type SeenState } from '../../bootstrap/scenarios/state.ts';
import { waitFor } from '../../lib/conditions.ts';
import type { Host } from '../../lib/host.ts';
import type { World } from '../../lab/world/world.ts';
import { loadCluster } from '../../nodes/load.ts';
import { etcdMembers } from '../../talos/talosctl-etcd.ts';
import { kubeconfig } from '../../talos/talosctl.ts';

/** Milliseconds for pods to come back to their volumes, and for Flux's last word. */
const SETTLE_MS = 90_000;

/** Sees how it ended, once Flux is at rest and what was mounted before is mounted again, or has not been within a minute and a half. */
export async function settle(host: Host, world: World, key: Uint8Array, mounted: readonly string[], from: number): Promise<{ readonly seen: SeenState; readonly voters: readonly string[] }> {
  const cluster = await loadCluster(world.clusterFolder);
  const facts = createFacts(cluster, host.scratch);
  const first = cluster.nodes.find(({ role }) => role === 'control plane')!;
  const access = await facts.access(host, first);
  const path = join(host.scratch, 'judge-kubeconfig');
  await kubeconfig(host, access, path);
  const inUse = (): readonly string[] => (world.nas?.sessions() ?? []).flatMap(({ luns }) => luns);
  let seen = await seeState(host, path, key);
  await waitFor({
    name: 'the cluster is at rest', deadlineMs: SETTLE_MS, everyMs: 1_500, hint: '',
    look: async () => {
      const back = mounted.filter((claim) => world.mounts.slice(from).some((mount) => mount.claim === claim) || inUse().length > 0);
      seen = await seeState(host, path, key);
      const waiting = [...seen.kustomizations.filter(({ ready, suspended }) => !ready && !suspended).map(({ name }) => name), ...seen.nodes.filter(({ ready }) => !ready).map(({ name }) => name), ...mounted.filter((claim) => !back.includes(claim))];
      return waiting.length === 0 ? { met: true, value: true } : { met: false, seen: waiting.join(', ') };
    },
  }, host).catch((error: unknown) => {
    // What is not at rest fails its own check.
    host.signal.throwIfAborted();
    return error;
  });
  const members = await etcdMembers(host, access, 10_000);
  return { seen, voters: members.filter(({ learner }) => !learner).map(({ hostname }) => hostname) };
}
