import { spawnSync } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { rawImage } from '../lab/factory/build-image.ts';
import { isZero } from '../nodes/cards/buffers.ts';
import { parseGpt } from '../lib/gpt.ts';

const MIB = 1024 * 1024;
const CONTENTS = { version: 'v1.11.0', schematic: createHash('sha256').update('bench').digest('hex'), extensions: ['siderolabs/iscsi-tools'] };

/** The image in all the forms the programs want; `pipe` is a named pipe to compare through. */
export type BenchImage = { readonly zst: string; readonly xz: string; readonly bmap: string | undefined; readonly pipe: string; readonly rawBytes: number; readonly dataMib: number };

/**
 * Makes an image as large and as full as a Talos image for a Pi: 2246 MiB, of which 130 MiB cannot be compressed (kernel,
 * initramfs, firmware) and 40 MiB can. As `.zst` (8 MiB window, as of level 18), `.xz` (level 0, many blocks: as Talos's imager) and `.bmap`.
 */
export async function makeImage(folder: string): Promise<BenchImage> {
  const zst = join(folder, 'image.raw.zst');
  const counts = { rawBytes: 0, data: 0 };
  const params = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_windowLog]: 23, [constants.ZSTD_c_checksumFlag]: 1 };
  await pipeline(Readable.from(fullImage(counts)), createZstdCompress({ params }), createWriteStream(zst));
  const shell = (line: string): boolean => spawnSync('bash', ['-c', `set -eo pipefail; cd '${folder}'; ${line}`], { stdio: 'ignore' }).status === 0;
  shell('zstd -dcq image.raw.zst | xz -0 -T0 > image.raw.xz');
  const bmap = shell('zstd -dqf --sparse image.raw.zst -o image.raw && bmaptool create -o image.bmap image.raw');
  shell('rm -f image.raw; mkfifo pipe');
  return { zst, xz: join(folder, 'image.raw.xz'), bmap: bmap ? join(folder, 'image.bmap') : undefined, pipe: join(folder, 'pipe'), rawBytes: counts.rawBytes, dataMib: Math.round(counts.data / MIB) };
}

function* fullImage(counts: { rawBytes: number; data: number }): Generator<Buffer> {
  let more: { at: number; data: Buffer } | undefined;
  for (const piece of rawImage(CONTENTS)) {
    // After what the builder puts at the start of BOOT: 82 MiB of noise and 40 MiB of words.
    more ??= { at: (parseGpt(piece)?.partitions.find((one) => one.label === 'BOOT')?.start ?? 0) + 64 * MIB, data: Buffer.concat([noise(82 * MIB), words(40 * MIB)]) };
    const from = Math.max(counts.rawBytes, more.at);
    const to = Math.min(counts.rawBytes + piece.length, more.at + more.data.length);
    const whole = Buffer.from(piece);
    if (from < to) more.data.copy(whole, from - counts.rawBytes, from - more.at, to - more.at);
    counts.rawBytes += whole.length;
    for (let at = 0; at < whole.length; at += MIB) if (!isZero(whole.subarray(at, at + MIB))) counts.data += Math.min(MIB, whole.length - at);
    yield whole;
  }
}

/** Bytes that look random, always the same. */
export function noise(bytes: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

function words(bytes: number): Buffer {
  const letters = noise(64 * 1024).toString('hex');
  const picks = noise(bytes / 4);
  const parts: string[] = [];
  for (let at = 0, length = 0; length < bytes; at += 2) {
    const place = picks.readUInt16LE(at % (picks.length - 2));
    const word = letters.slice(place, place + 4 + place % 9);
    parts.push(word);
    length += word.length;
  }
  return Buffer.from(parts.join('').slice(0, bytes));
}
