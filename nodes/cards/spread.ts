import { BLOCK, createPool, type Pool } from './buffers.ts';
import type { OpenDevice } from './device.ts';
import type { Digest } from './digests.ts';
import { imageBlocks, type Block } from './image-blocks.ts';
import { corruptImage } from './image-errors.ts';
import { openLedger, readLayout, type ImageLayout, type Ledger, type LedgerBook } from './ledger.ts';
import { putBlock, SAMPLE } from './one-card.ts';
import { createQueue } from './side-by-side.ts';
import type { CardImage } from './types.ts';

/** A card that takes the image: `attempt` keeps a failure to itself (and does nothing after one), `begin` comes before all. */
export type Taker = {
  readonly card: OpenDevice;
  attempt(work: () => Promise<void>): Promise<void>;
  begin(layout: ImageLayout): Promise<void>;
  tell(bytes: number): void;
};

/** Where an image goes; `goesOn` is false when no card takes it any more. */
export type Spreading = { readonly lanes: readonly Taker[]; readonly pool: Pool; readonly digest: Digest; readonly signal: AbortSignal; goesOn(): boolean };

/** Writes under way at once on each card. */
const WRITES = 4;

/**
 * Decodes the image once, to all cards that still take it, several writes under way on each; decoding and hashing go on meanwhile.
 * Undefined where every card failed. Throws `E_IMAGE_CORRUPT`, `E_IMAGE_MISSING`, the abort; then nothing is under way any more.
 */
export async function spreadImage(image: CardImage, to: Spreading): Promise<(Ledger & { readonly sha256: string }) | undefined> {
  const lanes = to.lanes.map((lane) => ({ ...lane, queue: createQueue(WRITES), samples: createPool(WRITES, SAMPLE), done: 0 }));
  let ledger: LedgerBook | undefined;
  let bytes = 0;
  try {
    for await (const block of imageBlocks(image, to.signal, to.pool.take)) {
      if (!ledger) {
        const { layout } = ledger = openLedger(checkedLayout(readLayout(block, image), image), to.digest);
        await Promise.all(lanes.map((lane) => lane.attempt(() => lane.begin(layout))));
      }
      bytes = checkedEnd(block, ledger.layout, image);
      const body = ledger.note(block);
      const giveBack = lent(block, lanes.length, to.pool);
      for (const lane of lanes) {
        await lane.queue.add(() => lane.attempt(async () => {
          await putBlock(lane.card, body, lane.samples);
          lane.done += block.data.length;
          lane.tell(lane.done);
        }).finally(giveBack));
      }
      if (!to.goesOn()) return undefined;
    }
  } finally {
    await Promise.allSettled(lanes.map((lane) => lane.queue.end()));
  }
  await Promise.all(lanes.map((lane) => lane.queue.end()));
  if (!ledger || bytes !== ledger.layout.rawBytes) throw wrongLength(image);
  const sha256 = ledger.whole.digest('hex');
  if (image.rawSha256 !== undefined && sha256 !== image.rawSha256) throw corrupt(image, 'does not decode to the pinned bytes');
  return { ...ledger, sha256 };
}

/** Gives a block's memory back when all cards are done with it. */
function lent(block: Block, cards: number, pool: Pool): () => void {
  let left = cards;
  return () => {
    left -= 1;
    if (left === 0 && !block.zero) pool.give(block.data);
  };
}

/** Where a block ends. Only whole sectors within the image, and a short block only at its end, ever reach a card. */
function checkedEnd(block: Block, layout: ImageLayout, image: CardImage): number {
  const end = block.at + block.data.length;
  if (end > layout.rawBytes || (block.data.length < BLOCK && end < layout.rawBytes)) throw wrongLength(image);
  return end;
}

function checkedLayout(layout: ImageLayout, image: CardImage): ImageLayout {
  if (image.rawBytes !== undefined && layout.rawBytes !== image.rawBytes) throw corrupt(image, 'is not as long as the pinned one');
  return layout;
}

function wrongLength(image: CardImage): Error {
  return corrupt(image, 'is not as long as its partition table says');
}

function corrupt(image: CardImage, what: string): Error {
  return corruptImage(image, what, { after: 'The cards have no partition table and do not boot.' });
}
