import { randomBytes } from 'node:crypto';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { inspectCard } from '../../nodes/cards/inspect.ts';
import { writeCards } from '../../nodes/cards/write.ts';
import { setPower } from '../../nodes/power.ts';
import { pinnedImage, type Image } from '../../talos/image.ts';
import { cardKeys, cardLacks } from '../../talos/stamp.ts';
import { locateQuietly, type Neighbours } from '../boards.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import { switchPassword } from './boards.ts';
import { imageRequest, openImage } from './image.ts';

/** Every node that doesn't answer yet has a card with this cluster's image and its own stamp. */
export function cardsStep(facts: Facts, lookout: (host: Host) => Promise<Neighbours>): Step {
  const lacking = async (host: Host): Promise<ClusterNode[]> => {
    const neighbours = await lookout(host);
    const needs = await Promise.all(facts.cluster.nodes.map(async (node) => {
      if (locateQuietly(facts, node, neighbours).kind !== 'absent') return false;
      return !await holdsImage(facts, host, node);
    }));
    return facts.cluster.nodes.filter((_node, index) => needs[index]);
  };
  return {
    id: 'cards',
    title: 'Cards',
    needs: ['image', 'bundle', 'credentials'],
    danger: 'Everything on the cards is overwritten.',
    async observe(host) {
      const nodes = await lacking(host);
      if (nodes.length === 0) return { state: 'done', detail: 'every board answers or has its card' };
      return { state: 'needed', why: `to be written: ${nodes.map((node) => node.name).join(', ')}` };
    },
    async act(host) {
      const nodes = await lacking(host);
      await darken(facts, host, nodes);
      const image = await openImage(facts, host);
      for (const [index, round] of rounds(nodes).entries()) {
        if (index > 0) await host.ask({ code: 'cards.change', text: `Put the next ${round.length === 1 ? 'card' : 'cards'} into the reader (${round.map((node) => node.name).join(', ')}) and press Enter.` });
        const targets = round.map((node) => ({ node: node.name, device: deviceOf(node), ...(node.card?.serial === undefined ? {} : { serial: node.card.serial }), meta: stampFor(facts, node, image) }));
        await writeCards(host, { image, targets });
      }
      await host.ask({ code: 'cards.insert', text: `Put the cards into the boards (${nodes.map((node) => node.name).join(', ')}) and press Enter.`, fallback: 'done' });
    },
  };
}

async function holdsImage(facts: Facts, host: Host, node: ClusterNode): Promise<boolean> {
  if (!node.card?.device) return false;
  const pin = await pinnedImage(imageRequest(facts, host));
  return cardLacks(await inspectCard(node.card.device), { cluster: facts.cluster.name, node: node.name }, pin?.rawSha256) === undefined;
}

/** A card is put into a board that is off: ports of nodes about to get one are switched off first. */
async function darken(facts: Facts, host: Host, nodes: readonly ClusterNode[]): Promise<void> {
  const power = facts.cluster.power;
  if (!power) return;
  const password = await switchPassword(facts, host);
  for (const node of nodes) if (node.port !== undefined) await setPower(host, power, password, node.port, 'off');
}

function stampFor(facts: Facts, node: ClusterNode, image: Image): Map<number, string> {
  const stamp = { cluster: facts.cluster.name, node: node.name, nonce: randomBytes(16).toString('hex') };
  return cardKeys(stamp, { schematic: facts.schematic.id, version: facts.cluster.talos.version, rawSha256: image.rawSha256 });
}

/** Nodes whose cards can be written at once: all with devices of their own; a shared reader takes them in turn. */
function rounds(nodes: readonly ClusterNode[]): ClusterNode[][] {
  const result: ClusterNode[][] = [];
  for (const node of nodes) {
    const free = result.find((round) => round.every((other) => deviceOf(other) !== deviceOf(node)));
    if (free) free.push(node);
    else result.push([node]);
  }
  return result;
}

function deviceOf(node: ClusterNode): string {
  if (node.card?.device) return node.card.device;
  throw problem('E_CARD_UNNAMED', `no card is named for ${node.name}`, 'Set nodes[].card.device in cluster.yaml to the reader (/dev/disk/by-id/…).', { where: { node: node.name } });
}
