import { randomBytes } from 'node:crypto';
import type { Host } from '../../lib/host.ts';
import type { Desk } from '../../nodes/cards/desk.ts';
import { proveCard } from '../../nodes/cards/prove.ts';
import { writeCards } from '../../nodes/cards/write.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { setPower } from '../../nodes/power.ts';
import type { Image } from '../../talos/image.ts';
import { networkValue } from '../../talos/meta-network.ts';
import { cardKeys } from '../../talos/stamp.ts';
import { locateQuietly, type Neighbours } from '../boards.ts';
import { askToOverwrite, cardIsInReader, nodesWithCard } from '../cards.ts';
import { chooseCard, type ChosenCard } from '../choose-card.ts';
import type { Facts } from '../facts.ts';
import { refuseReturned, rememberCards } from '../old-cards.ts';
import { withDesk } from '../reader.ts';
import type { Step } from '../step.ts';
import { switchPassword } from './boards.ts';
import { openImage } from './image.ts';

/** Every node that doesn't answer yet has a card with this cluster's image and its own stamp, and that card is in its board. */
export function cardsStep(facts: Facts, lookout: (host: Host) => Promise<Neighbours>): Step {
  const proven = new Set<string>();
  let asked = false;
  const lacking = async (host: Host): Promise<Lacking> => {
    const neighbours = await lookout(host);
    refuseReturned(facts, neighbours);
    const absent = facts.cluster.nodes.filter((node) => locateQuietly(facts, node, neighbours).kind === 'absent');
    if (absent.length === 0) return { card: [], insertion: [] };
    const unproven = absent.filter((node) => !proven.has(node.name));
    const image = unproven.length === 0 ? undefined : await openImage(facts, host);
    const { ready, inReader } = await withDesk(facts, host, async (desk) => ({
      ready: image === undefined ? new Set() : await nodesWithCard(facts, host, unproven, image, desk),
      inReader: await Promise.all(absent.map((node) => cardIsInReader(node, desk))),
    }));
    const card = unproven.filter((node) => !ready.has(node.name));
    return { card, insertion: asked ? [] : absent.filter((node, index) => !card.includes(node) && inReader[index]) };
  };
  return {
    id: 'cards',
    part: 'Cards',
    title: 'Cards',
    needs: ['image', 'bundle', 'credentials'],
    danger: 'Everything on the cards is overwritten.',
    async observe(host) {
      const { card, insertion } = await lacking(host);
      if (card.length > 0) return { state: 'needed', why: `to be written: ${names(card)}` };
      if (insertion.length > 0) return { state: 'needed', why: `to be put into their boards: ${names(insertion)}` };
      return { state: 'done', detail: 'every board answers or has its card' };
    },
    async act(host) {
      const { card, insertion } = await lacking(host);
      await writeNodeCards(facts, host, card, { before: (round) => darken(facts, host, round), written: (node) => proven.add(node.name) });
      await darken(facts, host, insertion);
      await host.ask({ code: 'cards.insert', text: `Put the cards into the boards (${names([...card, ...insertion])}) and press Enter.`, fallback: 'done' });
      asked = true;
    },
  };
}

/** Nodes without a card that could boot them, and nodes whose good card is still in its reader. */
type Lacking = { readonly card: readonly ClusterNode[]; readonly insertion: readonly ClusterNode[] };

function names(nodes: readonly ClusterNode[]): string {
  return nodes.map((node) => node.name).join(', ');
}

/** What happens around the writing: before the first byte of a round, and when a node's card is proven. `nonce` is what a card is stamped with; a random one unless told. */
export type Around = { readonly before: (round: readonly ClusterNode[]) => Promise<void>; readonly written: (node: ClusterNode) => void; readonly nonce?: string };

/**
 * Writes the cards of these nodes, those with readers of their own at once, the others in turn; asks which disk is the card
 * where the inventory names none, and before anything is overwritten. Throws what `chooseCard`, `askToOverwrite` and `writeCards` throw.
 */
export async function writeNodeCards(facts: Facts, host: Host, nodes: readonly ClusterNode[], around: Around): Promise<void> {
  if (nodes.length === 0) return;
  const image = await openImage(facts, host);
  await withDesk(facts, host, (desk) => writeRounds(facts, host, { nodes, image, desk }, around));
}

type Work = { readonly nodes: readonly ClusterNode[]; readonly image: Image; readonly desk: Desk };

async function writeRounds(facts: Facts, host: Host, { nodes, image, desk }: Work, around: Around): Promise<void> {
  for (const [index, round] of rounds(nodes).entries()) {
    const named = round.every((node) => node.card?.device !== undefined);
    if (index > 0 && named) await host.ask({ code: 'cards.change', text: `Put the next ${round.length === 1 ? 'card' : 'cards'} into the reader (${names(round)}) and press Enter.` });
    const targets = [];
    for (const node of round) {
      const card = await chooseCard(host, node, desk);
      // A question may wait for minutes: what the answer is about must still be the card when it is written.
      const asked = await proveCard(host, card.device, card.serial === undefined ? {} : { serial: card.serial }, desk).catch(() => 'none' as const);
      host.signal.throwIfAborted();
      if (asked !== 'none') await askToOverwrite(facts, host, node, card.device, desk);
      targets.push({ ...targetOf(facts, node, card, image, around.nonce ?? randomBytes(16).toString('hex')), asked });
    }
    await around.before(round);
    await writeCards(host, { image, targets, desk });
    for (const { node, nonce } of targets) facts.nonces.set(node, nonce);
    await rememberCards(facts, host, targets);
    for (const node of round) around.written(node);
  }
}

/** A card is put into a board that is off: ports of nodes about to get one are switched off first. */
async function darken(facts: Facts, host: Host, nodes: readonly ClusterNode[]): Promise<void> {
  const power = facts.cluster.power;
  if (!power) return;
  const password = await switchPassword(facts, host);
  for (const node of nodes) if (node.port !== undefined) await setPower(host, power, password, node.port, 'off');
}

function targetOf(facts: Facts, node: ClusterNode, card: ChosenCard, image: Image, nonce: string) {
  const stamp = { cluster: facts.cluster.name, node: node.name, nonce };
  const meta = cardKeys(stamp, { schematic: facts.cluster.talos.image === undefined ? facts.schematic.id : 'by hand', version: facts.cluster.talos.version, rawSha256: image.rawSha256 }, networkValue(facts.cluster, node));
  return { node: node.name, nonce: stamp.nonce, meta, ...card };
}

/** Nodes whose cards can be written at once: all with devices of their own; a shared or unnamed reader takes them in turn. */
function rounds(nodes: readonly ClusterNode[]): ClusterNode[][] {
  const result: ClusterNode[][] = [];
  for (const node of nodes) {
    const device = node.card?.device;
    const free = device === undefined ? undefined
      : result.find((round) => round.every((other) => other.card?.device !== undefined && other.card.device !== device));
    if (free) free.push(node);
    else result.push([node]);
  }
  return result;
}
