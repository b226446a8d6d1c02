import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { buildGpt, PARTITION_TYPE, type Partition } from '../../lib/gpt.ts';
import { bootFiles } from './boot-files.ts';

const MIB = 1024 * 1024;
const PIECE = 4 * MIB;

/** Bytes of a raw Talos image for a Pi from 1.11 on: 2246 MiB (siderolabs/talos:pkg/imager/profile). */
export const RAW_IMAGE_BYTES = 2246 * MIB;

/** What goes into an image; `version` with its `v`, extensions as the schematic names them. */
export type ImageContents = { readonly version: string; readonly schematic: string; readonly extensions: readonly string[] };

/**
 * Writes a disk image, compressed as the path's ending says (`.zst`, or `.xz` by the program xz), as the Image Factory lays it out (EFI 100 MiB, BIOS 1, BOOT 2000, META 1; all GUIDs from the
 * contents), with boot files in place of firmware and kernel and an empty META. The same contents give the same bytes.
 */
export async function buildImage(path: string, contents: ImageContents): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await pipeline(Readable.from(rawImage(contents)), path.endsWith('.xz') ? xz() : zstd(), createWriteStream(aside));
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

function zstd(): Duplex {
  return createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } });
}

/** The image factory packs with `xz -0` (siderolabs/talos:pkg/imager). Ends with its input, and with the pipeline it is in. */
function xz(): Duplex {
  const program = spawn('xz', ['-0', '--threads=2', '--stdout'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const stream = Duplex.from({ writable: program.stdin, readable: program.stdout });
  program.on('error', (error) => stream.destroy(error));
  stream.on('close', () => program.kill());
  return stream;
}

/** The raw image, piece by piece. */
export function* rawImage(contents: ImageContents): Generator<Buffer> {
  const partitions = layout(contents);
  const table = buildGpt({ guid: guid(contents, 'disk'), diskBytes: RAW_IMAGE_BYTES, partitions });
  const files = (label: 'EFI' | 'BOOT'): Buffer => bootFiles(label, contents.version, contents.schematic, contents.extensions);
  const start = (label: string): number => partitions.find((one) => one.label === label)?.start ?? 0;
  let at = 0;
  function* put(place: number, data: Buffer): Generator<Buffer> {
    yield* zeros(place - at);
    yield data;
    at = place + data.length;
  }
  yield* put(0, table.head);
  yield* put(start('EFI'), files('EFI'));
  yield* put(start('BOOT'), files('BOOT'));
  yield* put(table.tailAt, table.tail);
}

function* zeros(bytes: number): Generator<Buffer> {
  const piece = Buffer.alloc(PIECE);
  for (let left = bytes; left > 0; left -= PIECE) yield piece.subarray(0, Math.min(left, PIECE));
}

function layout(contents: ImageContents): Partition[] {
  const plan = [
    ['EFI', PARTITION_TYPE.efi, 100], ['BIOS', PARTITION_TYPE.bios, 1], ['BOOT', PARTITION_TYPE.linux, 2000], ['META', PARTITION_TYPE.linux, 1],
  ] as const;
  let start = MIB;
  return plan.map(([label, type, mib], index) => {
    const partition = { number: index + 1, label, type, guid: guid(contents, label), start, bytes: mib * MIB };
    start += partition.bytes;
    return partition;
  });
}

function guid(contents: ImageContents, what: string): string {
  const hex = createHash('sha256').update(`${contents.version} ${contents.schematic} ${what}`).digest('hex').toUpperCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
