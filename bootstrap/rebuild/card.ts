import type { Host } from '../../lib/host.ts';
import { inspectCard } from '../../nodes/cards/inspect.ts';
import { setPower } from '../../nodes/power.ts';
import { parseStamp, STAMP_KEY } from '../../talos/stamp.ts';
import { locateQuietly, spareOf } from '../boards.ts';
import { nodesWithCard } from '../cards.ts';
import { withDesk } from '../reader.ts';
import type { Step } from '../step.ts';
import { switchPassword } from '../steps/boards.ts';
import { writeNodeCards } from '../steps/cards.ts';
import { stillFenced } from '../steps/fence.ts';
import { openImage } from '../steps/image.ts';
import type { Rebuild } from './rebuild-of.ts';

/** Where the card of this rebuild is: its board answers with it, it lies whole in the reader, it was written and has left the reader, or it is still to be written. */
type CardPlace = 'board' | 'reader' | 'away' | 'unwritten';

/**
 * The node's new card, with the nonce of this rebuild: written once, and put into the board that is to run it. Its nonce is in the lock
 * file before the first byte, so that a run that was cut off finds its own card again, wherever it is by then.
 */
export function cardStep(rebuild: Rebuild, needs: readonly string[]): Step {
  const { facts, node } = rebuild;
  const told = { written: rebuild.record.written === true, asked: false };
  const place = async (host: Host): Promise<CardPlace> => {
    const neighbours = await rebuild.lookout(host);
    if (locateQuietly(facts, node, neighbours).kind !== 'absent' || spareOf(facts, node, neighbours)) return 'board';
    const seen = await inReader(rebuild, host);
    if (seen === 'ours') return 'reader';
    // A second card of one nonce could not be told from the first, so another card in the reader says nothing of the one that was written.
    return told.written && seen !== 'damaged' ? 'away' : 'unwritten';
  };
  return {
    id: `card:${node.name}`, part: 'Card', title: `Card of ${node.name}`, node: node.name, needs,
    danger: 'Everything on the card is overwritten.',
    async observe(host) {
      const at = await place(host);
      if (at === 'board') return { state: 'done', detail: 'its board runs from it' };
      if (at === 'unwritten') return { state: 'needed', why: 'to be written' };
      if (at === 'reader' && !told.asked) return { state: 'needed', why: 'written; to be put into its board' };
      return { state: 'done', detail: 'written, and in its board' };
    },
    async act(host) {
      await stillFenced(facts, host, node);
      if (await place(host) === 'unwritten') {
        await writeNodeCards(facts, host, [node], { before: async () => {}, written: () => {}, nonce: rebuild.record.nonce });
      }
      // Also of a card that lay whole in the reader: once it has left, nothing else tells that there is one.
      if (!told.written) await rebuild.noteWritten();
      told.written = true;
      await darken(rebuild, host);
      await host.ask({ code: 'cards.insert', text: `Put the card of ${node.name} into its board (${node.mac}), ${node.port === undefined ? 'power it on' : `connect it to port ${node.port} of the switch`}, and press Enter.`, fallback: 'done' });
      told.asked = true;
    },
  };
}

/** What the node's reader holds: this rebuild's card (used, or still the image byte for byte; or `damaged`), another one, or none; `none` too where the inventory names no reader. */
async function inReader({ facts, node, record }: Rebuild, host: Host): Promise<'ours' | 'damaged' | 'other' | 'none'> {
  const device = node.card?.device;
  if (device === undefined) return 'none';
  return withDesk(facts, host, async (desk) => {
    const card = await inspectCard(device, desk);
    if (card.kind === 'missing') return 'none';
    if (card.kind !== 'talos' || parseStamp(card.meta.get(STAMP_KEY))?.nonce !== record.nonce) return 'other';
    return (await nodesWithCard(facts, host, [node], await openImage(facts, host), desk)).has(node.name) ? 'ours' : 'damaged';
  });
}

/** A card is put into a board that is off. */
async function darken({ facts, node }: Rebuild, host: Host): Promise<void> {
  const { power } = facts.cluster;
  if (power && node.port !== undefined) await setPower(host, power, await switchPassword(facts, host), node.port, 'off');
}
