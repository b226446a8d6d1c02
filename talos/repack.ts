import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { FirstlightError, problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { corruptImage } from '../nodes/cards/image-errors.ts';
import { readLayout } from '../nodes/cards/ledger.ts';
import { imageMeter } from './image-progress.ts';

/** What came of packing an image anew: the file's own SHA-256, and SHA-256 and size of what it decodes to. */
export type Repacked = { readonly path: string; readonly sha256: string; readonly rawSha256: string; readonly rawBytes: number };

/** An image that is not packed with zstd; `given` where it is a person's own file. */
export type Packed = { readonly path: string; readonly form: 'xz' | 'raw'; readonly given: boolean };

// Decoding 2.2 GiB takes seconds to a minute; more means that it hangs.
const DECODE_MS = 15 * 60_000;

/**
 * Packs an image that is not in zstd into a `.zst` file inside `folder`, which is emptied first: cards are then always written
 * from one form, decoded without a program. xz is decoded by the program `xz`, into a sparse file that is removed again.
 * Events: `image.progress`, phases `unpack` and `pack`.
 * Throws `E_IMAGE_CORRUPT` where xz refuses the file or it is no Talos image, `E_NO_XZ`, the abort.
 */
export async function repack(host: Host, from: Packed, folder: string): Promise<Repacked> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const raw = from.form === 'raw' ? from.path : await decodeXz(host, from, folder);
  const path = join(folder, 'image.raw.zst');
  const [whole, packed] = [createHash('sha256'), createHash('sha256')];
  const { size: total } = await stat(raw);
  const meter = imageMeter(host, { phase: 'pack', total });
  let rawBytes = 0;
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 } });
  await pipeline(createReadStream(raw, { highWaterMark: 1024 * 1024 }), async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      if (rawBytes === 0 && readLayout({ data: piece }, from).rawBytes !== total) throw corruptImage(from, 'is not as long as its partition table says');
      whole.update(piece);
      rawBytes += piece.length;
      meter.at(rawBytes);
      yield piece;
    }
  }, compress, async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      packed.update(piece);
      yield piece;
    }
  }, createWriteStream(path, { flush: true }), { signal: host.signal });
  if (rawBytes === 0) throw corruptImage(from, 'is empty');
  if (raw !== from.path) await rm(raw);
  return { path, sha256: packed.digest('hex'), rawSha256: whole.digest('hex'), rawBytes };
}

/** xz names its output after its input: a link in our own folder keeps it out of the person's. */
async function decodeXz(host: Host, from: Packed, folder: string): Promise<string> {
  const ended = new AbortController();
  try {
    await symlink(resolve(from.path), join(folder, 'image.raw.xz'));
    const total = await rawSize(host, folder);
    void watch(host, join(folder, 'image.raw'), total, ended.signal);
    const done = await host.run({ program: 'xz', args: ['--decompress', '--keep', '--force', 'image.raw.xz'], cwd: folder, timeoutMs: DECODE_MS, accept: 'any' });
    if (done.exitCode === 0) return join(folder, 'image.raw');
    const why = done.stderr.trim().split('\n')[0]?.replace(/^.*image\.raw\.xz: /, '') ?? '';
    throw problem('E_IMAGE_CORRUPT', `the image ${from.path} cannot be decoded: xz says ${why || `exit code ${done.exitCode}`}`,
      from.given ? 'See that the disk has 3 GB free; if so, put a whole image there, or take talos.image out of cluster.yaml: then it is downloaded.' : 'See that the disk has 3 GB free, and run again: it is downloaded anew.');
  } catch (error) {
    if (!(error instanceof FirstlightError) || error.code !== 'E_NO_PROGRAM') throw error;
    throw problem('E_NO_XZ', 'the image is packed with xz, and the program xz is not there', 'Install it (Debian: apt install xz-utils), or give a .raw.zst by hand as talos.image.', { cause: error });
  } finally {
    ended.abort();
  }
}

/** Bytes that an xz file decodes to, by its own index (xz(1), robot mode); undefined where xz doesn't tell. */
async function rawSize(host: Host, folder: string): Promise<number | undefined> {
  const told = await host.run({ program: 'xz', args: ['--robot', '--list', 'image.raw.xz'], cwd: folder, accept: 'any' });
  const bytes = Number(/^totals\t\d+\t\d+\t\d+\t(\d+)\t/m.exec(told.stdout)?.[1]);
  return told.exitCode === 0 && bytes > 0 ? bytes : undefined;
}

/** Tells how the file that xz writes grows: xz itself would only tell a terminal. */
async function watch(host: Host, path: string, total: number | undefined, signal: AbortSignal): Promise<void> {
  const meter = imageMeter(host, { phase: 'unpack', ...(total === undefined ? {} : { total }) });
  while (await host.clock.sleep(500, signal).then(() => !signal.aborted, () => false)) {
    meter.at(await stat(path).then((found) => found.size, () => 0));
  }
}
