import type { Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { lookAtMember } from '../../talos/quorum-look.ts';
import type { Facts } from '../facts.ts';
import { look } from '../rebuild/diagnose-look.ts';

/** Milliseconds: each question of the look has a deadline of its own. */
const LOOK_MS = 25_000;

/**
 * Whether this control plane's etcd has a quorum: it answers the list of members, for which it needs one, and its own status names a leader
 * and no error. Without a quorum real Talos answers the status at once (`etcdserver: no leader`) and the list with an error.
 */
export async function isQuorate(host: Host, facts: Facts, node: ClusterNode): Promise<boolean> {
  const seen = await look(host, LOOK_MS, async (own) => lookAtMember(own, node, await facts.access(own, node)));
  if (!seen.known || !seen.value.asked) return false;
  const { phase, members, status } = seen.value;
  return phase === 'running' && members !== undefined && status !== undefined && status.errors === '' && !/^0*$/.test(status.leader);
}
