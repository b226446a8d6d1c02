import { FirstlightError, problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster, ClusterNode } from '../nodes/cluster.ts';
import { discover, subnetAddresses } from '../nodes/discover.ts';
import { claimedNode, identify, type Identity } from '../talos/identity.ts';
import { proveNode } from '../talos/proof.ts';
import type { Facts } from './facts.ts';
import { recallCards } from './old-cards.ts';

/** Where a node's board is: configured at its declared address, proven in maintenance mode somewhere, or not seen. */
export type Located =
  | { readonly kind: 'configured' }
  | { readonly kind: 'maintenance'; readonly address: string; readonly fingerprint: string }
  | { readonly kind: 'absent'; readonly seen: string };

/** Every machine of the subnet that answers on Talos's port, by address. */
export type Neighbours = ReadonlyMap<string, Identity>;

/** Talos's API port (siderolabs/talos:pkg/machinery/constants). */
const TALOS_PORT = 50_000;

/**
 * One look at the nodes' own addresses, and unless each node's board is there, at the whole subnet; looks that are asked for while one is under way share it. Boards are asked with the cluster's
 * own certificate, or (`stranger`) without any: then a board with a config is `foreign`, and no secrets are needed.
 */
export function createLookout(facts: Facts, as: 'owner' | 'stranger' = 'owner'): (host: Host) => Promise<Neighbours> {
  let underWay: Promise<Neighbours> | undefined;
  return (host) => {
    underWay ??= lookAround(host, facts, as).finally(() => { underWay = undefined; });
    return underWay;
  };
}

async function lookAround(host: Host, facts: Facts, as: 'owner' | 'stranger'): Promise<Neighbours> {
  const { cluster } = facts;
  await recallCards(facts);
  const talosconfig = as === 'owner' ? await facts.talosconfig(host) : undefined;
  const look = async (addresses: readonly string[]): Promise<[string, Identity][]> => {
    const answering = await discover(host, { addresses, port: TALOS_PORT, timeoutMs: 1_000 });
    return Promise.all(answering.map(async (address): Promise<[string, Identity]> => [address, await identify(host, cluster, address, talosconfig)]));
  };
  const homes = cluster.nodes.map((node) => node.address);
  const atHome = new Map(await look(homes));
  if (cluster.nodes.every((node) => isAtHome(cluster, node, atHome.get(node.address)))) return atHome;
  const others = new Set([...homes, cluster.network.gateway, cluster.nas?.address, cluster.power?.address]);
  return new Map([...atHome, ...await look(subnetAddresses(cluster.network.subnet).filter((address) => !others.has(address)))]);
}

/** Whether the machine at a node's own address says it is that node: its board need not be looked for anywhere else. */
function isAtHome(cluster: Cluster, node: ClusterNode, identity: Identity | undefined): boolean {
  return identity !== undefined && claimedNode(cluster, identity) === node;
}

/**
 * Finds a node's board among the neighbours. Throws `E_IDENTITY_…` when a board claims this node wrongly (another node's
 * board with this node's card, or the other way about): such a board must get no config.
 */
export function locate(facts: Facts, node: ClusterNode, neighbours: Neighbours): Located {
  refuseMixups(facts, neighbours);
  const home = neighbours.get(node.address);
  if (home?.kind === 'configured') {
    proveNode(facts.cluster, node, home, facts.nonces.get(node.name), facts.rebuilt.get(node.name));
    return { kind: 'configured' };
  }
  const reasons: string[] = [];
  for (const [address, identity] of neighbours) {
    if (identity.kind !== 'maintenance' || !claims(facts.cluster, node, identity)) continue;
    proveNode(facts.cluster, node, identity, facts.nonces.get(node.name), facts.rebuilt.get(node.name));
    return { kind: 'maintenance', address, fingerprint: identity.fingerprint };
  }
  for (const identity of neighbours.values()) if (identity.kind !== 'configured') reasons.push(told(identity));
  return { kind: 'absent', seen: reasons.length > 0 ? `no board proves it is ${node.name}; ${reasons.join(', ')}` : 'no board answers' };
}

/** A board with the node's newest card whose MAC no node declares. */
export type Spare = { readonly address: string; readonly fingerprint: string; readonly macs: readonly string[] };

/** The board in maintenance mode that booted the node's newest card (by its nonce in `facts.nonces`) and that cluster.yaml does not know: the spare, whose MAC the inventory lacks. */
export function spareOf(facts: Facts, node: ClusterNode, neighbours: Neighbours): Spare | undefined {
  const nonce = facts.nonces.get(node.name);
  const declared = new Set(facts.cluster.nodes.map(({ mac }) => mac));
  for (const identity of neighbours.values()) {
    if (identity.kind !== 'maintenance' || nonce === undefined || identity.stamp?.nonce !== nonce) continue;
    const { address, fingerprint, macs } = identity;
    if (!macs.some((mac) => declared.has(mac))) return { address, fingerprint, macs };
  }
  return undefined;
}

/** A machine that is not the one looked for, with the names it gives itself. */
function told(identity: Exclude<Identity, { kind: 'configured' }>): string {
  const { address } = identity;
  if (identity.kind === 'foreign') return `${address} runs Talos as “${identity.name}”, not for this cluster`;
  if (identity.kind === 'silent') return `${address}: ${identity.seen}`;
  return `${address} waits for a config ${identity.stamp ? `with the card of ${identity.stamp.node} of cluster ${identity.stamp.cluster}` : 'with a card without a stamp'}`;
}

/** Cards of this cluster in each other's boards: one error that names them all, whichever node asked. */
function refuseMixups(facts: Facts, neighbours: Neighbours): void {
  const { cluster } = facts;
  const mixed = [...neighbours].flatMap(([address, identity]) => {
    const card = cardOf(cluster, identity);
    if (card === undefined || !('macs' in identity)) return [];
    const board = cluster.nodes.find((node) => identity.macs.includes(node.mac))?.name;
    return board === undefined || board === card ? [] : [{ board, text: `the board of ${board} (at ${address}) booted the card of ${card}` }];
  }).toSorted((one, other) => one.board.localeCompare(other.board));
  const [first] = mixed;
  if (!first) return;
  throw problem('E_IDENTITY_OTHER_NODE', mixed.map(({ text }) => text).join('; '),
    'Power these boards off, put each card into the board it was written for, and run again.', { where: { node: first.board } });
}

/** Whose card a machine of this cluster booted: by its stamp before the first config, by its hostname where the card was in use. */
function cardOf(cluster: Cluster, identity: Identity): string | undefined {
  if (identity.kind === 'maintenance') return identity.stamp?.cluster === cluster.name ? identity.stamp.node : undefined;
  return identity.kind === 'configured' ? cluster.nodes.find((node) => node.name === identity.hostname)?.name : undefined;
}

/**
 * Whether a board in maintenance mode says it is this node, by card or by MAC: it then has to prove it wholly. A board of nobody
 * here with the card of another cluster's node is none of this cluster's business, even where that node has the same name.
 */
export function claims(cluster: Cluster, node: ClusterNode, identity: Extract<Identity, { kind: 'maintenance' }>): boolean {
  const byMac = identity.macs.includes(node.mac);
  return node.proof === 'mac' ? byMac : byMac || (identity.stamp?.cluster === cluster.name && identity.stamp.node === node.name);
}

/** The same as `locate`, with a refused identity told as absent: for looks that decide only whether a card is needed. */
export function locateQuietly(facts: Facts, node: ClusterNode, neighbours: Neighbours): Located {
  try {
    return locate(facts, node, neighbours);
  } catch (error) {
    if (error instanceof FirstlightError) return { kind: 'absent', seen: error.message };
    throw error;
  }
}
