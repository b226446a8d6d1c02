import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { FirstlightError, problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';

/** What came of packing an image anew: the file's own SHA-256, and SHA-256 and size of what it decodes to. */
export type Repacked = { readonly path: string; readonly sha256: string; readonly rawSha256: string; readonly rawBytes: number };

// Decoding 2.2 GiB takes seconds to a minute; more means that it hangs.
const DECODE_MS = 15 * 60_000;

/**
 * Packs an image that is not in zstd into a `.zst` file inside `folder`, which is emptied first: cards are then always written
 * from one form, decoded without a program. xz is decoded by the program `xz`, into a sparse file that is removed again.
 * Throws `E_IMAGE_CORRUPT` where xz refuses the file, `E_NO_XZ`, the abort.
 */
export async function repack(host: Host, from: { readonly path: string; readonly form: 'xz' | 'raw' }, folder: string): Promise<Repacked> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const raw = from.form === 'raw' ? from.path : await decodeXz(host, from.path, folder);
  const path = join(folder, 'image.raw.zst');
  const [whole, packed] = [createHash('sha256'), createHash('sha256')];
  let rawBytes = 0;
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 } });
  await pipeline(createReadStream(raw, { highWaterMark: 1024 * 1024 }), async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      whole.update(piece);
      rawBytes += piece.length;
      yield piece;
    }
  }, compress, async function* (pieces: AsyncIterable<Buffer>) {
    for await (const piece of pieces) {
      packed.update(piece);
      yield piece;
    }
  }, createWriteStream(path, { flush: true }), { signal: host.signal });
  if (raw !== from.path) await rm(raw);
  return { path, sha256: packed.digest('hex'), rawSha256: whole.digest('hex'), rawBytes };
}

/** xz names its output after its input: a link in our own folder keeps it out of the person's. */
async function decodeXz(host: Host, path: string, folder: string): Promise<string> {
  await symlink(resolve(path), join(folder, 'image.raw.xz'));
  try {
    const done = await host.run({ program: 'xz', args: ['--decompress', '--keep', '--force', 'image.raw.xz'], cwd: folder, timeoutMs: DECODE_MS, accept: 'any' });
    if (done.exitCode === 0) return join(folder, 'image.raw');
    const why = done.stderr.trim().split('\n')[0]?.replace(/^.*image\.raw\.xz: /, '') ?? '';
    throw problem('E_IMAGE_CORRUPT', `the image ${path} cannot be decoded: xz says ${why || `exit code ${done.exitCode}`}`, 'See that the disk has 3 GB free; then remove the image and run again.');
  } catch (error) {
    if (!(error instanceof FirstlightError) || error.code !== 'E_NO_PROGRAM') throw error;
    throw problem('E_NO_XZ', 'the image is packed with xz, and the program xz is not there', 'Install it (Debian: apt install xz-utils), or give a .raw.zst by hand as talos.image.', { cause: error });
  }
}
