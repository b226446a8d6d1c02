import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { readLock } from '../lib/lock-file.ts';
import { cardsHolding } from '../nodes/cards/compare.ts';
import { deviceAt, THIS_DESK, type Desk } from '../nodes/cards/desk.ts';
import { inspectCard } from '../nodes/cards/inspect.ts';
import { cardCandidates, cardsWithSerial } from '../nodes/cards/prove.ts';
import { size } from '../nodes/cards/rules.ts';
import type { CardContents } from '../nodes/cards/types.ts';
import type { ClusterNode } from '../nodes/cluster.ts';
import type { Image } from '../talos/image.ts';
import { networkValue } from '../talos/meta-network.ts';
import { cardLacks, parseStamp, STAMP_KEY, type CardOwner } from '../talos/stamp.ts';
import type { Facts } from './facts.ts';

/**
 * Nodes whose card needs no writing: in its reader it is the node's and was used by a board (then it holds the node's state and
 * is never written again here), or is the node's and still the image byte for byte; or it is in no reader and the cluster has
 * lived: then it is in its board, which is only late (a dead board is the rebuild's business).
 */
export async function nodesWithCard(facts: Facts, host: Host, nodes: readonly ClusterNode[], image: Image, desk: Desk = THIS_DESK): Promise<ReadonlySet<string>> {
  const ready = new Set<string>();
  const fresh = new Map<string, string>();
  const lived = (await readLock(facts.lockFile)).etcd?.finished === true;
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

/** The nodes whose own card is in its reader, never used, and holds the image byte for byte. */
export async function nodesWithFreshCard(facts: Facts, host: Host, nodes: readonly ClusterNode[], image: Image, desk: Desk = THIS_DESK): Promise<ReadonlySet<string>> {
  const unused = new Map<string, string>();
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
  if (stamp?.cluster === facts.cluster.name && stamp.node === node.name && !wasUsed(card)) return;
  const partitions = card.partitions.map((one) => one.label || 'a nameless partition').join(', ');
  const holds = stamp ? `the card of ${stamp.node} of cluster ${stamp.cluster}` : partitions || 'something without a partition table';
  const answer = await host.ask({ code: 'card.overwrite', text: `The card for ${node.name} (${deviceAt(desk, device)}) holds ${holds}. Type ${node.name} to overwrite all of it:` });
  if (answer === node.name) return;
  throw problem('E_CARD_KEPT', `the card for ${node.name} holds ${holds} and was not overwritten`,
    'Put another card into the reader, or answer with the node’s name.', { where: { node: node.name } });
}

/** Whether the reader that the inventory names for a node has a card in it (which then is in no board). */
export async function cardIsInReader(node: ClusterNode, desk: Desk = THIS_DESK): Promise<boolean> {
  return node.card?.device !== undefined && (await inspectCard(node.card.device, desk)).kind !== 'missing';
}

/** A card to write: its device, and its serial where one is known. */
export type ChosenCard = { readonly device: string; readonly serial?: string };

/**
 * The card to write for a node: the one the inventory names, by device or by serial alone; else the person puts it in and chooses
 * among the disks that may be a card, whose serial is then proven again before the first byte. Throws `E_CARD_MISSING` where
 * there is none, `E_CARD_UNCHOSEN` for an answer that names none of them or a serial that two of them tell, `E_NOBODY` where nobody can answer.
 */
export async function chooseCard(host: Host, node: ClusterNode, desk: Desk = THIS_DESK): Promise<ChosenCard> {
  const { device, serial } = node.card ?? {};
  const ready = (): Promise<string> => host.ask({ code: 'card.ready', text: `Put the card for ${node.name} into the reader${placeOf(desk)} and press Enter.` });
  if (device === undefined && serial !== undefined) return cardBySerial(host, { node, serial, desk }, ready);
  const there = device !== undefined && (await inspectCard(device, desk)).kind !== 'missing';
  if (!there) await ready();
  if (device !== undefined) return { device, ...(serial === undefined ? {} : { serial }) };
  const candidates = await cardCandidates(host, desk);
  const where = { where: { node: node.name } };
  if (candidates.length === 0) {
    throw problem('E_CARD_MISSING', `no disk of ${desk.name ?? 'this machine'} may be written as the card of ${node.name}`,
      'Put the card into a reader, or name it in cluster.yaml: nodes[].card.device.', where);
  }
  const list = candidates.map((one) => `  ${one.device}  ${size(one.bytes)}  ${one.model || 'no name'}  ${one.serial || 'no serial'}`).join('\n');
  const answer = await host.ask({ code: 'card.choose', text: `What may be a card${placeOf(desk)}:\n${list}\nType the device that is the card of ${node.name}; all of it will be overwritten:` });
  const chosen = candidates.find((one) => one.device === answer);
  if (!chosen) throw problem('E_CARD_UNCHOSEN', `no card was chosen for ${node.name}`, 'Run again and type one of the devices shown, or name it in cluster.yaml.', where);
  return { device: chosen.device, ...(chosen.serial === '' ? {} : { serial: chosen.serial }) };
}

type BySerial = { readonly node: ClusterNode; readonly serial: string; readonly desk: Desk };

async function cardBySerial(host: Host, { node, serial, desk }: BySerial, ready: () => Promise<string>): Promise<ChosenCard> {
  let found = await cardsWithSerial(host, serial, desk);
  if (found.length === 0) {
    await ready();
    found = await cardsWithSerial(host, serial, desk);
  }
  const [only, ...others] = found;
  const where = { where: { node: node.name } };
  if (!only) {
    throw problem('E_CARD_MISSING', `no disk that may be written has the serial ${serial}, which is the card of ${node.name}`,
      'Put that card into a reader, or mend nodes[].card.serial in cluster.yaml.', where);
  }
  if (others.length === 0) return { device: only.device, serial };
  throw problem('E_CARD_UNCHOSEN', `${found.map((one) => one.device).join(' and ')} have the same serial ${serial}, which is the card of ${node.name}`,
    'Readers of one kind may tell the same serial: leave one in, or name nodes[].card.device in cluster.yaml.', where);
}

function placeOf(desk: Desk): string {
  return desk.name === undefined ? '' : ` of ${desk.name}`;
}

function ownerOf(facts: Facts, node: ClusterNode): CardOwner {
  return { cluster: facts.cluster.name, node: node.name, network: networkValue(facts.cluster, node) };
}

/** Talos makes STATE when it first gets a config (siderolabs/talos:internal/app/machined/pkg/controllers/block). */
function wasUsed(card: CardContents): boolean {
  return card.kind === 'talos' && card.partitions.some((one) => one.label === 'STATE');
}
