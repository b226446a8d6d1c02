import { decodeMeta, encodeMeta } from '../../lib/adv.ts';
import { problem } from '../../lib/errors.ts';
import { readInto, writeAt } from '../../lib/file-bytes.ts';
import type { OpenDevice } from './device.ts';
import { BLOCK, type Block } from './image-blocks.ts';
import { bodyOf, copyOverlap, digest, HEAD, isZero, type ImageLayout, type Ledger } from './ledger.ts';
import { size } from './rules.ts';

// How much may wait in memory before a block device has to take it: keeps progress true and the last wait short.
const FLUSH_EVERY = 32 * 1024 * 1024;
// Sectors that make a table valid; written last of all, in one piece.
const SPARK = 4096;

/** Says how far a card is, in bytes of the image. */
export type Tell = (phase: 'write' | 'verify', bytes: number) => void;

/** Takes the card's old tables away at both ends, durably; from here on it does not boot. Throws `E_CARD_SMALL` before any byte. */
export async function beginCard(card: OpenDevice, layout: ImageLayout): Promise<void> {
  if (card.bytes < layout.rawBytes + HEAD) {
    throw problem('E_CARD_SMALL', `the card ${card.path} has ${size(card.bytes)}, the image needs ${size(layout.rawBytes)}`, 'Use a card of 8 GB or more.');
  }
  await writeAt(card.writing, 0, Buffer.alloc(HEAD));
  await writeAt(card.writing, card.bytes - HEAD, Buffer.alloc(HEAD));
  await card.writing.sync();
}

/** Writes one block of the image, but for the head. Zeros are not written where the card holds zeros already. */
export async function putBlock(card: OpenDevice, block: Block, zero: boolean): Promise<void> {
  const body = bodyOf(block);
  if (zero && (card.zeros || await holdsZeros(card, body))) return;
  await writeAt(card.writing, body.at, body.data);
  if (card.block && block.at % FLUSH_EVERY === 0) await card.writing.datasync();
}

async function holdsZeros(card: OpenDevice, body: Block): Promise<boolean> {
  const there = card.buffer.subarray(0, body.data.length);
  return await readInto(card.reading, body.at, there) === there.length && isZero(there);
}

/**
 * Puts the node's keys in META, reads the whole card back and compares it with what was decoded, and only then writes the head.
 * Throws `E_CARD_VERIFY` with the place where the card differs; it then has no table.
 */
export async function finishCard(card: OpenDevice, ledger: Ledger, keys: ReadonlyMap<number, string>, tell: Tell, signal: AbortSignal): Promise<void> {
  const { metaAt, head } = ledger.layout;
  const meta = encodeMeta(new Map([...decodeMeta(ledger.meta) ?? [], ...keys]));
  await writeAt(card.writing, metaAt, meta);
  await card.writing.sync();
  for (const [index, expected] of ledger.digests.entries()) {
    signal.throwIfAborted();
    await verifyBlock(card, ledger, meta, index * BLOCK, expected);
    tell('verify', Math.min((index + 1) * BLOCK, ledger.layout.rawBytes));
  }
  signal.throwIfAborted();
  try {
    await writeAt(card.writing, SPARK, head.subarray(SPARK));
    await card.writing.sync();
    await writeAt(card.writing, 0, head.subarray(0, SPARK));
    await card.writing.sync();
    const there = card.buffer.subarray(0, HEAD);
    if (await readInto(card.reading, 0, there) !== HEAD || !there.equals(head)) throw differs(card, 0);
  } catch (error) {
    await writeAt(card.writing, 0, Buffer.alloc(SPARK)).catch(() => {});
    throw error;
  }
}

async function verifyBlock(card: OpenDevice, ledger: Ledger, meta: Buffer, at: number, expected: Buffer | null): Promise<void> {
  const length = Math.min(BLOCK, ledger.layout.rawBytes - at);
  const place = at === 0 ? HEAD : at;
  const data = card.buffer.subarray(0, length - (place - at));
  if (await readInto(card.reading, place, data) !== data.length) throw differs(card, place);
  restoreMeta({ at: place, data }, ledger, meta, card);
  const same = expected === null ? isZero(data) : digest(data).equals(expected);
  if (!same) throw differs(card, place);
}

/** Where a block read back holds META: it must be the node's; then it is taken for the image's, to compare the whole block. */
function restoreMeta(block: Block, ledger: Ledger, meta: Buffer, card: OpenDevice): void {
  const start = ledger.layout.metaAt;
  const from = Math.max(block.at, start);
  const to = Math.min(block.at + block.data.length, start + meta.length);
  if (from >= to) return;
  const found = Buffer.from(meta);
  copyOverlap(block, start, found);
  if (!found.equals(meta)) throw differs(card, from);
  ledger.meta.copy(block.data, from - block.at, from - start, to - start);
}

function differs(card: OpenDevice, at: number): Error {
  return problem('E_CARD_VERIFY', `the card ${card.path} does not hold what was written to it, near byte ${at}`,
    'The card or its reader is failing (or its size is a lie): use another. It has no partition table and does not boot.');
}
