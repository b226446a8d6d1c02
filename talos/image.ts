import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../lib/errors.ts';
import { syncFolder } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import { readLock, updateLock, type ImagePin } from '../lib/lock-file.ts';
import { imageBlocks } from '../nodes/cards/image-blocks.ts';
import { download } from './download.ts';

/** Which image: of which factory (URL), schematic id and Talos version (with or without `v`); where it is pinned and kept. */
export type ImageRequest = {
  readonly factory: string;
  readonly schematicId: string;
  readonly version: string;
  readonly lockFile: string;
  readonly cacheFolder: string;
};

/** An image in the cache, proven to be the pinned one. `path` is the `.raw.zst` file; hashes are SHA-256 in hex. */
export type Image = ImagePin & { readonly path: string };

const FILE = 'metal-arm64.raw.zst';

/**
 * The image, from the cache or downloaded (resumed where a download was cut). At first use its compressed and raw hashes are
 * pinned in the lock file, after it was decoded to its end; later it must be the same. Events: `image.progress` {bytes, total, rate}.
 * Throws `E_IMAGE_CHANGED`, `E_IMAGE_CORRUPT` (at first use), `E_IMAGE_UNKNOWN`, `E_FACTORY`, `E_LOCK`.
 */
export async function ensureImage(host: Host, request: ImageRequest): Promise<Image> {
  const name = imageName(request);
  const pin = await pinnedImage(request);
  if (pin) {
    const path = cached(request, pin.compressedSha256);
    if (await hashOf(path) === pin.compressedSha256) return { ...pin, path };
    await rm(path, { force: true });
  }
  await mkdir(request.cacheFolder, { recursive: true });
  const part = join(request.cacheFolder, `${request.schematicId}-${tag(request)}.raw.zst.part`);
  const url = `${request.factory.replace(/\/+$/, '')}/image/${name}`;
  let got = await download(host, url, part);
  if (pin && got.sha256 !== pin.compressedSha256 && got.resumed) {
    await rm(part, { force: true });
    got = await download(host, url, part);
  }
  const fresh = pin ? checked(pin, got.sha256, request) : await firstUse(host, part, got);
  if (fresh instanceof Error) {
    await rm(part, { force: true });
    throw fresh;
  }
  const path = cached(request, fresh.compressedSha256);
  await rename(part, path);
  await syncFolder(request.cacheFolder);
  if (!pin) await updateLock(request.lockFile, { images: { [name]: fresh } });
  return { ...fresh, path };
}

/** What the lock file pins for an image; undefined before its first download. Throws `E_LOCK`. */
export async function pinnedImage(request: ImageRequest): Promise<ImagePin | undefined> {
  return (await readLock(request.lockFile)).images[imageName(request)];
}

/** Whether `ensureImage` has nothing to do, without downloading: the image is pinned, in the cache and whole. */
export async function observeImage(_host: Host, request: ImageRequest): Promise<{ state: 'done'; detail: string } | { state: 'needed'; why: string }> {
  const pin = await pinnedImage(request);
  if (!pin) return { state: 'needed', why: `Talos ${tag(request)} with this schematic was never downloaded` };
  const hash = await hashOf(cached(request, pin.compressedSha256));
  if (hash === undefined) return { state: 'needed', why: 'the pinned image is not in the cache' };
  if (hash !== pin.compressedSha256) return { state: 'needed', why: 'the image in the cache is damaged' };
  return { state: 'done', detail: `${tag(request)}, sha256 ${pin.compressedSha256.slice(0, 12)}` };
}

function imageName(request: ImageRequest): string {
  return `${request.schematicId}/${tag(request)}/${FILE}`;
}

function tag(request: ImageRequest): string {
  return `v${request.version.replace(/^v/, '')}`;
}

function cached(request: ImageRequest, hash: string): string {
  return join(request.cacheFolder, `${hash}.raw.zst`);
}

async function hashOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(piece as Buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return hash.digest('hex');
}

function checked(pin: ImagePin, sha256: string, request: ImageRequest): ImagePin | Error {
  if (sha256 === pin.compressedSha256) return pin;
  return problem('E_IMAGE_CHANGED', `the image factory now serves another image than the one pinned: ${sha256.slice(0, 12)}…, not ${pin.compressedSha256.slice(0, 12)}…`,
    'Nobody should change a published image: find out why. To accept it, remove its entry under images: in the lock file.', { where: { file: request.lockFile } });
}

async function firstUse(host: Host, part: string, got: { sha256: string; bytes: number }): Promise<ImagePin | Error> {
  const hash = createHash('sha256');
  let rawBytes = 0;
  try {
    for await (const block of imageBlocks(part, host.signal)) {
      hash.update(block.data);
      rawBytes += block.data.length;
    }
  } catch (error) {
    host.signal.throwIfAborted();
    return error instanceof Error ? error : new Error(String(error));
  }
  return { compressedSha256: got.sha256, compressedBytes: got.bytes, rawSha256: hash.digest('hex'), rawBytes };
}
