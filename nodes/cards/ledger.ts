import { createHash, type Hash } from 'node:crypto';
import { META_BYTES } from '../../lib/adv.ts';
import { parseGpt, SECTOR } from '../../lib/gpt.ts';
import { alignedCopy, isZero } from './buffers.ts';
import type { Digest } from './digests.ts';
import type { Block } from './image-blocks.ts';
import { corruptImage } from './image-errors.ts';
import type { CardImage } from './types.ts';

/** Bytes at a card's start that are held back until all else is written and proven: tables, and nothing of a partition. */
export const HEAD = 1024 * 1024;

/** What the image's own table says of it. `rawBytes` is its whole length, `metaAt` where META starts. */
export type ImageLayout = { readonly rawBytes: number; readonly metaAt: number; readonly head: Buffer };

/** What was decoded, to prove cards by: for each block its digest, or null where it is all zeros; META as it is in the image. */
export type Ledger = {
  readonly layout: ImageLayout;
  readonly digest: Digest;
  readonly digests: readonly (Buffer | null)[];
  readonly meta: Buffer;
};

/** A ledger being filled while the image is decoded, in order. */
export type LedgerBook = Ledger & {
  readonly whole: Hash;
  /** Notes a block and gives what is to be written of it: all but the head. */
  note(block: Block): Block;
};

/** Reads the layout from the image's first block. Throws `E_IMAGE_CORRUPT` where it is no Talos image. */
export function readLayout(first: Pick<Block, 'data'>, image: Pick<CardImage, 'path' | 'given'>): ImageLayout {
  const table = parseGpt(first.data);
  const meta = table?.partitions.find((one) => one.label === 'META');
  const early = table?.partitions.some((one) => one.start < HEAD);
  if (!table || early || !meta || meta.bytes < META_BYTES) throw corruptImage(image, table ? 'has no partition META' : 'has no valid partition table');
  return { rawBytes: (table.backup + 1) * SECTOR, metaAt: meta.start, head: alignedCopy(first.data.subarray(0, HEAD)) };
}

/** An empty ledger for an image of this layout, that knows blocks by this digest. */
export function openLedger(layout: ImageLayout, digest: Digest): LedgerBook {
  const digests: (Buffer | null)[] = [];
  const meta = Buffer.alloc(META_BYTES);
  const whole = createHash('sha256');
  const note = (block: Block): Block => {
    whole.update(block.data);
    copyOverlap(block, layout.metaAt, meta);
    const body = bodyOf(block);
    digests.push(body.zero ? null : digest(body.data));
    return body;
  };
  return { layout, digest, digests, meta, whole, note };
}

/** A block without the head that is held back. */
function bodyOf(block: Block): Block {
  if (block.at !== 0) return block;
  const data = block.data.subarray(HEAD);
  return { at: HEAD, data, zero: isZero(data) };
}

/** Copies what a block holds of the bytes at `start` into `target`. */
export function copyOverlap(block: Pick<Block, 'at' | 'data'>, start: number, target: Buffer): void {
  const from = Math.max(block.at, start);
  const to = Math.min(block.at + block.data.length, start + target.length);
  if (from < to) block.data.copy(target, from - start, from - block.at, to - block.at);
}
