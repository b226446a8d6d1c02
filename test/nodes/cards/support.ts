import { createCipheriv, createHash } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { encodeMeta } from '../../../lib/adv.ts';
import { buildGpt, PARTITION_TYPE } from '../../../lib/gpt.ts';
import type { CardImage } from '../../../nodes/cards/types.ts';

const MIB = 1024 * 1024;

/** A small image with the partitions of Talos, some random data and one META key of its own; as raw bytes and as a file. */
export type SmallImage = CardImage & { readonly raw: Buffer; readonly metaAt: number; readonly rawSha256: string };

/** Makes a small image in `folder`. `seed` makes images that differ; `rawMib` is its length. */
export function smallImage(folder: string, seed: string, rawMib = 33): SmallImage {
  const raw = Buffer.alloc(rawMib * MIB);
  const parts = [['EFI', PARTITION_TYPE.efi, 1, 6], ['BIOS', PARTITION_TYPE.bios, 7, 1], ['BOOT', PARTITION_TYPE.linux, 8, rawMib - 11], ['META', PARTITION_TYPE.linux, rawMib - 3, 1]] as const;
  const partitions = parts.map(([label, type, start, length], index) => (
    { number: index + 1, label, type, guid: `00000000-0000-4000-8000-00000000000${index}`, start: start * MIB, bytes: length * MIB }));
  const table = buildGpt({ guid: '11111111-2222-4333-8444-555555555555', diskBytes: raw.length, partitions });
  table.head.copy(raw);
  table.tail.copy(raw, table.tailAt);
  for (const at of [1, 2, 8, 9, 14, 27].filter((each) => each < rawMib - 3)) noise(`${seed} ${at}`).copy(raw, at * MIB);
  const metaAt = (rawMib - 3) * MIB;
  encodeMeta(new Map([[0x0a, 'from the image']])).copy(raw, metaAt);
  const path = join(folder, `${seed}.raw.zst`);
  writeFileSync(path, zstdCompressSync(raw, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }));
  return { path, raw, metaAt, rawSha256: createHash('sha256').update(raw).digest('hex'), rawBytes: raw.length };
}

/** A sparse file that stands for a card of `bytes` (8 GB unless told); `old` is put at its start. */
export function cardFile(folder: string, name: string, old?: Buffer, bytes = 8_000_000_000): string {
  const path = join(folder, name);
  writeFileSync(path, old ?? '');
  truncateSync(path, bytes);
  return path;
}

/** A MiB that looks random and is the same for the same seed. */
export function noise(seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16)).update(Buffer.alloc(MIB));
}

/** What must be on a card: the image, with META holding the image's and the node's keys. */
export function expected(image: SmallImage, keys: ReadonlyMap<number, string>): Buffer {
  const bytes = Buffer.from(image.raw);
  encodeMeta(new Map([[0x0a, 'from the image'], ...keys])).copy(bytes, image.metaAt);
  return bytes;
}

/** The first bytes of a card. */
export async function start(path: string, length: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(bytes, 0, length, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
