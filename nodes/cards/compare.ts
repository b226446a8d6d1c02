import { META_BYTES } from '../../lib/adv.ts';
import { readInto } from '../../lib/file-bytes.ts';
import type { Host } from '../../lib/host.ts';
import { BLOCK, isZero } from './buffers.ts';
import { THIS_DESK, type Desk, type DeskFile } from './desk.ts';
import { sha256 } from './digests.ts';
import { imageBlocks, type Block } from './image-blocks.ts';
import { inspectCard } from './inspect.ts';
import { HEAD } from './ledger.ts';
import type { CardImage } from './types.ts';

type Compared = { readonly device: string; readonly file: DeskFile; readonly metaAt: number; readonly buffer: Buffer; same: boolean };

/**
 * Which of the cards hold the image byte for byte, from one decode for all: everything but the first MiB (the partition table,
 * which was proven when it was written) and META (the node's own). Only reads. For cards that no board has booted yet: Talos
 * changes its partitions. Throws `E_IMAGE_CORRUPT`, `E_IMAGE_MISSING`, `E_CARD_*`, the abort.
 */
export async function cardsHolding(host: Host, devices: readonly string[], image: CardImage, desk: Desk = THIS_DESK): Promise<ReadonlySet<string>> {
  const cards: Compared[] = [];
  try {
    for (const device of devices) {
      const contents = await inspectCard(device, desk);
      const meta = contents.kind === 'talos' ? contents.partitions.find((one) => one.label === 'META') : undefined;
      if (meta) cards.push({ device, file: await desk.open(device), metaAt: meta.start, buffer: Buffer.allocUnsafeSlow(BLOCK), same: true });
    }
    if (cards.length > 0) {
      for await (const block of imageBlocks(image, host.signal)) {
        await Promise.all(cards.filter((card) => card.same).map(async (card) => { card.same = await agrees(card, block); }));
        if (cards.every((card) => !card.same)) break;
      }
    }
    return new Set(cards.filter((card) => card.same).map((card) => card.device));
  } finally {
    await Promise.all(cards.map((card) => card.file.close()));
  }
}

async function agrees(card: Compared, block: Block): Promise<boolean> {
  if (card.file.digest) return agreesFar(card, block);
  const there = card.buffer.subarray(0, block.data.length);
  if (await readInto(card.file, block.at, there) !== there.length) return false;
  for (const [start, end] of [[0, HEAD], [card.metaAt, card.metaAt + META_BYTES]] as const) {
    const [from, to] = [Math.max(start - block.at, 0), Math.min(end - block.at, there.length)];
    if (from < to) block.data.copy(there, from, from, to);
  }
  return there.equals(block.data);
}

/** The same by digests made where the card is: of what lies between the head and META, and after META. */
async function agreesFar(card: Compared, block: Block): Promise<boolean> {
  for (const [start, end] of [[HEAD, card.metaAt], [card.metaAt + META_BYTES, Infinity]] as const) {
    const [from, to] = [Math.max(start - block.at, 0), Math.min(end - block.at, block.data.length)];
    if (from >= to) continue;
    const data = block.data.subarray(from, to);
    const found = await card.file.digest!(block.at + from, data.length);
    if (found === undefined || !(found === null ? isZero(data) : found.equals(sha256(data)))) return false;
  }
  return true;
}
