import { decodeMeta, encodeMeta } from '../../lib/adv.ts';
import { problem } from '../../lib/errors.ts';
import { readInto, writeAt } from '../../lib/file-bytes.ts';
import { parseGpt } from '../../lib/gpt.ts';
import { alignedCopy, isZero, ZEROS, type Pool } from './buffers.ts';
import type { OpenDevice } from './device.ts';
import type { Block } from './image-blocks.ts';
import { HEAD, type ImageLayout, type Ledger } from './ledger.ts';
import { differs, readBack, type Proving } from './read-back.ts';
import { size } from './rules.ts';

// How much may wait in the page cache before a block device that has no way past it has to take it: keeps progress true.
const FLUSH_EVERY = 32 * 1024 * 1024;
// Sectors that make a table valid; written last of all, in one piece.
const SPARK = 4096;
const SAMPLES = 4;

/** Bytes of one sample: what a pool for `putBlock` holds at least. */
export const SAMPLE = 4096;

/** Takes the card's old tables away at both ends, durably; from here on it does not boot. Throws `E_CARD_SMALL` before any byte. */
export async function beginCard(card: OpenDevice, layout: ImageLayout): Promise<void> {
  if (card.bytes < layout.rawBytes + HEAD) {
    throw problem('E_CARD_SMALL', `the card ${card.path} has ${size(card.bytes)}, the image needs ${size(layout.rawBytes)}`, 'Use a card of 8 GB or more.');
  }
  await writeAt(card.file, 0, ZEROS.subarray(0, HEAD));
  await writeAt(card.file, card.bytes - HEAD, ZEROS.subarray(0, HEAD));
  await card.file.sync();
}

/**
 * Writes one block of the image as the ledger gives it, without the head. Zeros are not written where samples of the card are
 * zeros already (reading all of it would take longer than it saves); what the samples missed is mended when the card is read back.
 */
export async function putBlock(card: OpenDevice, body: Block, samples: Pool): Promise<void> {
  if (body.zero && (card.zeros || !await holdsSomething(card, body, samples))) return;
  await writeAt(card.file, body.at, body.data);
  if (!card.direct && card.block && body.at % FLUSH_EVERY === 0) await card.file.sync();
}

async function holdsSomething(card: OpenDevice, body: Block, samples: Pool): Promise<boolean> {
  const step = Math.floor(body.data.length / SAMPLES / SAMPLE) * SAMPLE;
  if (step === 0) return true;
  const memory = await samples.take();
  try {
    const there = memory.subarray(0, SAMPLE);
    for (let index = 0; index < SAMPLES; index += 1) {
      if (await readInto(card.file, body.at + index * step, there) !== SAMPLE || !isZero(there)) return true;
    }
    return false;
  } finally {
    samples.give(memory);
  }
}

/**
 * Puts the node's keys in META, reads the whole card back and compares it with what was decoded, and only then writes the head.
 * Throws `E_CARD_VERIFY` with the place where the card differs; it then has no table.
 */
export async function finishCard(card: OpenDevice, ledger: Ledger, keys: ReadonlyMap<number, string>, how: Proving): Promise<void> {
  const meta = alignedCopy(encodeMeta(new Map([...decodeMeta(ledger.meta) ?? [], ...keys])));
  await writeAt(card.file, ledger.layout.metaAt, meta);
  await card.file.sync();
  const mended = await readBack(card, ledger, meta, how, 'mend');
  if (mended > 0) {
    // On a card that lies about its size the mending may have hit what was read before: all of it once more.
    await card.file.sync();
    await readBack(card, ledger, meta, how, 'refuse');
  }
  how.signal.throwIfAborted();
  await putHead(card, ledger.layout.head, how.pool);
}

async function putHead(card: OpenDevice, head: Buffer, pool: Pool): Promise<void> {
  const memory = await pool.take();
  try {
    await writeAt(card.file, SPARK, head.subarray(SPARK));
    await card.file.sync();
    await writeAt(card.file, 0, head.subarray(0, SPARK));
    await card.file.sync();
    const there = memory.subarray(0, HEAD);
    if (await readInto(card.file, 0, there) !== HEAD || !there.equals(head) || !hasMeta(there)) throw differs(card, 0);
  } catch (error) {
    await writeAt(card.file, 0, ZEROS.subarray(0, SPARK)).then(() => card.file.sync()).catch(() => {});
    throw error;
  } finally {
    pool.give(memory);
  }
}

function hasMeta(head: Buffer): boolean {
  return parseGpt(head)?.partitions.some((one) => one.label === 'META') ?? false;
}
