import { FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { ClusterNode } from '../nodes/cluster.ts';
import { discover } from '../nodes/discover.ts';
import { identify, type Identity } from '../talos/identity.ts';
import type { Neighbours } from './boards.ts';
import type { Facts } from './facts.ts';
import { contentsOfNas } from './storage-view.ts';

/** Ports on which a running node is heard: Talos's API and the kubelet's (siderolabs/talos:pkg/machinery/constants; Kubernetes' "Ports and Protocols"). */
const HEARD_ON = [50_000, 10_250];

/** Whether some machine of the network runs the card with the nonce that is known for this node: the old board then has no part in it. */
export function newCardAnswers(facts: Facts, node: ClusterNode, neighbours: Neighbours): boolean {
  return [...neighbours.values()].some((identity) => isNew(facts, node, identity));
}

/** What runs at the node's own address: its `new` card, `none`, or in words what else. Throws `E_TALOS_…` for answers that no state of a board explains. */
export async function runsAtHome(facts: Facts, host: Host, node: ClusterNode): Promise<string> {
  const identity = await identify(host, facts.cluster, node.address, await facts.talosconfig(host));
  if (isNew(facts, node, identity)) return 'new';
  if (identity.kind === 'configured') return `${identity.hostname} with an older card`;
  if (identity.kind === 'foreign') return `a machine that is not of this cluster (“${identity.name}”)`;
  // A board that waits for its config has nothing of the node: no volumes, no member.
  return 'none';
}

/** The ports of a running node that are open at the node's address. Throws `E_DISCOVER` where nothing could be said, and the abort. */
export async function answeringPorts(host: Host, node: ClusterNode): Promise<readonly string[]> {
  const open = await Promise.all(HEARD_ON.map(async (port) => ((await discover(host, { addresses: [node.address], port })).length > 0 ? [String(port)] : [])));
  host.signal.throwIfAborted();
  return open.flat();
}

/** The NAS's sessions from the node's address, as `iqn on target`; none where there is no NAS, or it can't be asked (which is told). */
export async function sessionsOf(facts: Facts, host: Host, node: ClusterNode): Promise<readonly string[]> {
  if (!facts.cluster.nas) return [];
  try {
    const { targets } = await contentsOfNas(host, facts);
    return targets.flatMap((target) => target.connected_sessions.filter((session) => session.ip === node.address).map((session) => `${session.iqn} on ${target.name}`));
  } catch (error) {
    host.signal.throwIfAborted();
    if (!(error instanceof FirstlightError)) throw error;
    host.emit({ code: 'fence.nas-silent', message: `! the NAS can't say whether ${node.name} still has a session: ${error.message}` });
    return [];
  }
}

function isNew(facts: Facts, node: ClusterNode, identity: Identity): boolean {
  if (identity.kind !== 'maintenance' && identity.kind !== 'configured') return false;
  const nonce = facts.nonces.get(node.name);
  return nonce !== undefined && identity.stamp?.cluster === facts.cluster.name && identity.stamp.node === node.name && identity.stamp.nonce === nonce;
}
