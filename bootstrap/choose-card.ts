import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { THIS_DESK, type Desk } from '../nodes/cards/desk.ts';
import { inspectCard } from '../nodes/cards/inspect.ts';
import { cardCandidates, cardsWithSerial, type CardCandidate } from '../nodes/cards/prove.ts';
import { size } from '../nodes/cards/rules.ts';
import type { ClusterNode } from '../nodes/cluster.ts';

/** A card to write: its device, and its serial where one is known. */
export type ChosenCard = { readonly device: string; readonly serial?: string };

/**
 * The card to write for a node: the one the inventory names, by device or by serial alone; else the person puts it in and is
 * proposed the one disk that may be a card, or chooses among several; its serial is then proven again before the first byte. Throws
 * `E_CARD_MISSING` where there is none, `E_CARD_UNCHOSEN` where none was chosen or two tell the declared serial, `E_NOBODY` where nobody can answer.
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
  const chosen = await (candidates.length === 1 ? proposed(host, node, candidates[0]!, desk) : chosenOf(host, node, candidates, desk));
  if (!chosen) throw problem('E_CARD_UNCHOSEN', `no card was chosen for ${node.name}`, 'Run again and choose one of those shown, or name it in cluster.yaml: nodes[].card.', where);
  return { device: chosen.device, ...(chosen.serial === '' ? {} : { serial: chosen.serial }) };
}

async function proposed(host: Host, node: ClusterNode, only: CardCandidate, desk: Desk): Promise<CardCandidate | undefined> {
  const answer = await host.ask({ code: 'card.propose', text: `One disk${placeOf(desk)} may be a card:\n${lineOf(only)}\nIs it the card of ${node.name}? All of it will be overwritten. (yes/no)` });
  return /^(y|yes)$/i.test(answer) || answer === only.device ? only : undefined;
}

async function chosenOf(host: Host, node: ClusterNode, candidates: readonly CardCandidate[], desk: Desk): Promise<CardCandidate | undefined> {
  const answer = await host.ask({ code: 'card.choose', text: `What may be a card${placeOf(desk)}:\n${candidates.map(lineOf).join('\n')}\nType the device that is the card of ${node.name}; all of it will be overwritten:` });
  return candidates.find((one) => one.device === answer);
}

function lineOf(one: CardCandidate): string {
  return `  ${one.device}  ${size(one.bytes)}  ${one.model || 'no name'}  ${one.serial || 'no serial'}`;
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
