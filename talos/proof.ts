import { problem, type FirstlightError } from '../lib/errors.ts';
import type { Cluster, ClusterNode } from '../nodes/cluster.ts';
import type { Identity } from './identity.ts';

/** That a machine is a declared node, and by what. Holding one is the licence to apply that node's config (tenet 3). */
export type Proof = {
  readonly node: string;
  readonly address: string;
  readonly by: 'stamp' | 'mac' | 'certificate';
  /** The certificate the proof was read behind; given on to apply-config. Only before the first config. */
  readonly fingerprint?: string;
};

/**
 * Proves that a machine is this node, or throws. In maintenance: the card's stamp names cluster and node (`proof: stamp`)
 * and the board has the declared MAC, which the config's network selects its interface by. With a config: the cluster's
 * certificate, the hostname and the MAC. `nonce` is that of the node's newest card, where known (`since`: from a rebuild that began then,
 * ISO 8601): a board with an older card is the old board, and is refused also when it runs a config. With that very card, a board of
 * unknown MAC is a spare. Throws `E_IDENTITY_SILENT`, `_FOREIGN`, `_NO_STAMP`, `_OTHER_CLUSTER`, `_OTHER_NODE`, `_OLD_CARD`, `_SPARE`,
 * `_MAC`, naming both sides.
 */
export function proveNode(cluster: Cluster, node: ClusterNode, identity: Identity, nonce?: string, since?: string): Proof {
  const where = { where: { node: node.name } };
  const at = identity.address;
  if (identity.kind === 'silent') {
    throw problem('E_IDENTITY_SILENT', `the machine at ${at} that should be ${node.name} does not say who it is: ${identity.seen}`,
      `See that ${node.name} has power and boots from its card.`, where);
  }
  if (identity.kind === 'foreign') {
    throw problem('E_IDENTITY_FOREIGN', `the machine at ${at} runs Talos as “${identity.name}”, but not for cluster ${cluster.name}`,
      `It is left alone. Give ${node.name} another address, or wipe that machine's card if it is yours to wipe.`, where);
  }
  if (identity.kind === 'configured' && identity.hostname !== node.name) {
    throw problem('E_IDENTITY_OTHER_NODE', `the machine at ${at} is ${identity.hostname} of cluster ${cluster.name}, not ${node.name}`,
      `Put the card of ${node.name} into the board of ${node.name}, or correct the addresses in cluster.yaml.`, where);
  }
  if (identity.stamp !== undefined) requireStamp(cluster, node, identity);
  else if (identity.kind === 'maintenance' && node.proof === 'stamp') {
    throw problem('E_IDENTITY_NO_STAMP', `the machine at ${at} that should be ${node.name} booted a card without a stamp`,
      `Flash its card: \`firstlight flash ${cluster.name} ${node.name}\`. A board flashed by other means needs \`proof: mac\` in cluster.yaml.`, where);
  }
  if (nonce !== undefined && identity.stamp?.nonce !== nonce) throw oldCard(node, identity, since);
  requireMac(cluster, node, identity, nonce);
  if (identity.kind === 'configured') return { node: node.name, address: at, by: 'certificate' };
  return { node: node.name, address: at, by: identity.stamp === undefined ? 'mac' : 'stamp', fingerprint: identity.fingerprint };
}

type Told = Extract<Identity, { kind: 'maintenance' | 'configured' }>;

function requireStamp(cluster: Cluster, node: ClusterNode, identity: Told): void {
  const { stamp, address: at } = identity;
  if (stamp === undefined) return;
  const where = { where: { node: node.name } };
  if (stamp.cluster !== cluster.name) {
    throw problem('E_IDENTITY_OTHER_CLUSTER', `the machine at ${at} booted the card of ${stamp.node} of cluster ${stamp.cluster}, not that of ${node.name} of ${cluster.name}`,
      `Put the card of ${node.name} in. To take this card over, flash it: \`firstlight flash ${cluster.name} ${node.name}\`.`, where);
  }
  if (stamp.node !== node.name) {
    throw problem('E_IDENTITY_OTHER_NODE', `the board of ${node.name} (at ${at}) booted the card of ${stamp.node}`,
      `Power the boards off and put the cards of ${node.name} and ${stamp.node} where they belong.`, where);
  }
}

function oldCard(node: ClusterNode, { kind, address }: Told, since: string | undefined): FirstlightError {
  const where = { where: { node: node.name } };
  const rebuild = since === undefined ? undefined : `the rebuild of ${dateOf(since)}`;
  if (kind === 'maintenance') {
    return problem('E_IDENTITY_OLD_CARD', `the machine at ${address} booted an older card of ${node.name} than the one ${rebuild ? `of ${rebuild}` : 'just written'}`,
      rebuild ? `Power it off, and put the card of that rebuild into the board of ${node.name}.` : `Put the card that was just written into the board of ${node.name}.`, where);
  }
  return problem('E_IDENTITY_OLD_CARD', `the board of ${node.name} (at ${address}) is back with the card it had before ${rebuild ?? 'the one just written'}: keep it off`,
    `Power it off at once and blank its card: two boards with one name can write over each other's volumes. The board of the newer card is ${node.name} now.`, where);
}

/** `2026-11-23 07:10 UTC` of an ISO 8601 time; any other text as it is. */
function dateOf(iso: string): string {
  return iso.replace(/^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}).*Z$/, '$1 $2 UTC');
}

function requireMac(cluster: Cluster, node: ClusterNode, identity: Told, nonce: string | undefined): void {
  if (identity.macs.includes(node.mac)) return;
  const owner = cluster.nodes.find((each) => identity.macs.includes(each.mac));
  const where = { where: { node: node.name } };
  const has = identity.macs.join(', ') || 'no MAC address';
  if (owner) {
    throw problem('E_IDENTITY_MAC', `the card of ${node.name} is in the board of ${owner.name} (${has}, at ${identity.address})`,
      `Power the boards off and put the cards of ${node.name} and ${owner.name} where they belong.`, where);
  }
  if (nonce !== undefined && identity.kind === 'maintenance') {
    throw problem('E_IDENTITY_SPARE', `the new card of ${node.name} is in a board that cluster.yaml does not know (${has}, at ${identity.address}); it declares ${node.mac}`,
      `If that is the spare board for ${node.name}, write its MAC into cluster.yaml, or give it to \`firstlight rebuild\` with --mac; otherwise put the card into the right board.`, where);
  }
  throw problem('E_IDENTITY_MAC', `the machine at ${identity.address} that says it is ${node.name} has ${has}, not ${node.mac}`,
    `If the board of ${node.name} was replaced, write its new MAC into cluster.yaml; otherwise put the card into the right board.`, where);
}
