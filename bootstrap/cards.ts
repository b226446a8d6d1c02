import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { readLock } from '../lib/lock-file.ts';
import { cardsHolding } from '../nodes/cards/compare.ts';
import { deviceAt, THIS_DESK, type Desk } from '../nodes/cards/desk.ts';
import { inspectCard } from '../nodes/cards/inspect.ts';
import type { CardContents } from '../nodes/cards/types.ts';
import type { ClusterNode } from '../nodes/cluster.ts';
import type { Image } from '../talos/image.ts';
import { networkValue } from '../talos/meta-network.ts';
import { cardLacks, parseStamp, STAMP_KEY, type CardOwner } from '../talos/stamp.ts';
import type { Facts } from './facts.ts';
import { recallCards } from './old-cards.ts';

/**
 * Nodes whose card needs no writing: in its reader it is the node's and was used by a board (then it holds the node's state and
 * is never written again here), or is the node's and still the image byte for byte; or it is in no reader and the cluster has
 * lived: then it is in its board, which is only late (a dead board is the rebuild's business). A card from before the node's last rebuild
 * is none of the node's.
 */
export async function nodesWithCard(facts: Facts, host: Host, nodes: readonly ClusterNode[], image: Image, desk: Desk = THIS_DESK): Promise<ReadonlySet<string>> {
  const ready = new Set<string>();
  const fresh = new Map<string, string>();
  const lived = (await readLock(facts.lockFile)).etcd?.finished === true;
  await recallCards(facts);
  for (const node of nodes) {
    const card: CardContents = node.card?.device === undefined ? { kind: 'missing' } : await inspectCard(node.card.device, desk);
    if (card.kind === 'missing') {
      if (lived) ready.add(node.name);
      continue;
    }
    if (cardLacks(card, ownerOf(facts, node), image.rawSha256) !== undefined) continue;
    if (wasUsed(card)) ready.add(node.name);
    else fresh.set(node.card!.device!, node.name);
  }
  if (fresh.size === 0) return ready;
  for (const device of await cardsHolding(host, [...fresh.keys()], image, desk)) ready.add(fresh.get(device)!);
  return ready;
}

/** The nodes whose own card (of the newest nonce, where one is known) is in its reader, never used, and holds the image byte for byte. */
export async function nodesWithFreshCard(facts: Facts, host: Host, nodes: readonly ClusterNode[], image: Image, desk: Desk = THIS_DESK): Promise<ReadonlySet<string>> {
  const unused = new Map<string, string>();
  await recallCards(facts);
  for (const node of nodes) {
    const device = node.card?.device;
    if (device === undefined) continue;
    const card = await inspectCard(device, desk);
    const lacks = cardLacks(card, ownerOf(facts, node), image.rawSha256);
    if (lacks === undefined && !wasUsed(card)) unused.set(device, node.name);
  }
  const same = unused.size === 0 ? [] : await cardsHolding(host, [...unused.keys()], image, desk);
  return new Set([...same].map((device) => unused.get(device)!));
}

/**
 * Asks before a card with something on it is overwritten: the person types the node's name. No question for a blank card, nor
 * for an unused one of the same node. Throws `E_CARD_KEPT` on any other answer, `E_NOBODY` where nobody can answer.
 */
export async function askToOverwrite(facts: Facts, host: Host, node: ClusterNode, device: string, desk: Desk = THIS_DESK): Promise<void> {
  const card = await inspectCard(device, desk);
  if (card.kind === 'missing' || card.kind === 'blank') return;
  const stamp = card.kind === 'talos' ? parseStamp(card.meta.get(STAMP_KEY)) : undefined;
  const own = stamp?.cluster === facts.cluster.name && stamp.node === node.name;
  if (own && !wasUsed(card)) return;
  const partitions = card.partitions.map((one) => one.label || 'a nameless partition').join(', ');
  const older = own && facts.nonces.has(node.name) && stamp.nonce !== facts.nonces.get(node.name);
  const holds = stamp ? `${older ? 'an older' : 'the'} card of ${stamp.node} of cluster ${stamp.cluster}` : partitions || 'something without a partition table';
  const answer = await host.ask({ code: 'card.overwrite', text: `The card for ${node.name} (${deviceAt(desk, device)}) holds ${holds}. Type ${node.name} to overwrite all of it:` });
  if (answer === node.name) return;
  throw problem('E_CARD_KEPT', `the card for ${node.name} holds ${holds} and was not overwritten`,
    'Put another card into the reader, or answer with the node’s name.', { where: { node: node.name } });
}

/** Whether the reader that the inventory names for a node has a card in it (which then is in no board). */
export async function cardIsInReader(node: ClusterNode, desk: Desk = THIS_DESK): Promise<boolean> {
  return node.card?.device !== undefined && (await inspectCard(node.card.device, desk)).kind !== 'missing';
}

function ownerOf(facts: Facts, node: ClusterNode): CardOwner {
  return { cluster: facts.cluster.name, node: node.name, network: networkValue(facts.cluster, node), nonce: facts.nonces.get(node.name) };
}

/** Talos makes STATE when it first gets a config (siderolabs/talos:internal/app/machined/pkg/controllers/block). */
function wasUsed(card: CardContents): boolean {
  return card.kind === 'talos' && card.partitions.some((one) => one.label === 'STATE');
}
