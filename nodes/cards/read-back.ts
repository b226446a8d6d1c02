import { problem } from '../../lib/errors.ts';
import { readInto, writeAt } from '../../lib/file-bytes.ts';
import { BLOCK, isZero, type Pool } from './buffers.ts';
import type { OpenDevice } from './device.ts';
import { copyOverlap, HEAD, type Ledger } from './ledger.ts';
import { sideBySide } from './side-by-side.ts';

/** Says how far a card is, in bytes of the image. */
export type Tell = (phase: 'write' | 'verify', bytes: number) => void;

/**
 * What reading back needs: memory, whom to tell, when to stop; which card of how many that are read at once (`place` from 0):
 * each begins elsewhere in the image, so that cards on one disk don't all want its slow parts at the same time.
 */
export type Proving = { readonly pool: Pool; readonly tell: Tell; readonly signal: AbortSignal; readonly place: number; readonly of: number };

/** Reads under way at once: on one card, and on all (as many as Node has threads for; with more, memory leaves the processor's cache). */
const READS = 2;
const ALL_READS = 4;

/**
 * Reads a card back, all but the head, and compares it with what was decoded and with the node's META. Where zeros should be and
 * are not: `mend` writes them (they were left out before), `refuse` does not forgive. Gives how many blocks were mended.
 * Throws `E_CARD_VERIFY`, the abort, what the system throws.
 */
export async function readBack(card: OpenDevice, ledger: Ledger, meta: Buffer, how: Proving, zeros: 'mend' | 'refuse'): Promise<number> {
  const { rawBytes } = ledger.layout;
  const count = ledger.digests.length;
  const first = Math.floor(count * how.place / how.of);
  let mended = 0;
  let done = 0;
  await sideBySide(count, Math.max(1, Math.min(READS, Math.floor(ALL_READS / how.of))), async (turn) => {
    const index = (first + turn) % count;
    const memory = await how.pool.take();
    try {
      how.signal.throwIfAborted();
      const at = index === 0 ? HEAD : index * BLOCK;
      const block = { at, data: memory.subarray(0, Math.min(rawBytes, (index + 1) * BLOCK) - at) };
      if (!await holds(card, block, ledger, meta, ledger.digests[index])) {
        if (ledger.digests[index] || zeros === 'refuse') throw differs(card, at);
        await mend(block, ledger, meta, card);
        mended += 1;
      }
      done += block.data.length;
      how.tell('verify', Math.min(done + HEAD, rawBytes));
    } finally {
      how.pool.give(memory);
    }
  });
  return mended;
}

type Place = { readonly at: number; readonly data: Buffer };

/** Whether the card holds at the block's place what was decoded: by reading it into the block, or by a digest made where the card is. */
async function holds(card: OpenDevice, block: Place, ledger: Ledger, meta: Buffer, expected: Buffer | null | undefined): Promise<boolean> {
  const { at, data } = block;
  const hasMeta = at < ledger.layout.metaAt + meta.length && ledger.layout.metaAt < at + data.length;
  if (card.file.digest && !hasMeta) {
    const found = await card.file.digest(at, data.length);
    if (found === undefined) throw differs(card, at);
    return expected ? found?.equals(expected) ?? false : found === null;
  }
  if (await readInto(card.file, at, data) !== data.length) throw differs(card, at);
  takeMetaForImages(block, ledger, meta, card);
  return expected ? ledger.digest(data).equals(expected) : isZero(data);
}

/** Where a block read back holds META: it must be the node's; then it is taken for the image's, to compare the whole block. */
function takeMetaForImages(block: Place, ledger: Ledger, meta: Buffer, card: OpenDevice): void {
  const start = ledger.layout.metaAt;
  const from = Math.max(block.at, start);
  const to = Math.min(block.at + block.data.length, start + meta.length);
  if (from >= to) return;
  const found = Buffer.from(meta);
  copyOverlap(block, start, found);
  if (!found.equals(meta)) throw differs(card, from);
  ledger.meta.copy(block.data, from - block.at, from - start, to - start);
}

/** Makes a block what it should be: zeros, but for the node's META. */
async function mend(block: Place, ledger: Ledger, meta: Buffer, card: OpenDevice): Promise<void> {
  const start = ledger.layout.metaAt;
  const from = Math.max(block.at, start);
  const to = Math.min(block.at + block.data.length, start + meta.length);
  block.data.fill(0);
  if (from < to) meta.copy(block.data, from - block.at, from - start, to - start);
  await writeAt(card.file, block.at, block.data);
}

/** The error of a card that holds something else than was written, near byte `at`. */
export function differs(card: OpenDevice, at: number): Error {
  return problem('E_CARD_VERIFY', `the card ${card.path} does not hold what was written to it, near byte ${at}`,
    'The card or its reader is failing (or its size is a lie): use another. It has no partition table and does not boot.');
}
