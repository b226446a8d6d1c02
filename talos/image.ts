import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FirstlightError, problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { updateLock, type ImagePin } from '../lib/lock-file.ts';
import { imageBlocks } from '../nodes/cards/image-blocks.ts';
import { corruptImage } from '../nodes/cards/image-errors.ts';
import { readLayout } from '../nodes/cards/ledger.ts';
import type { CardImage } from '../nodes/cards/types.ts';
import { download } from './download.ts';
import { keep, look, partOf, pinnedSource, repackedName, sweep } from './image-cache.ts';
import { imageMeter, type ImageMeter } from './image-progress.ts';
import { hashOf, sourcesOf, tagOf, type ImageRequest, type Source } from './image-source.ts';
import { repack } from './repack.ts';

export type { ImageRequest } from './image-source.ts';

/** An image that is here and proven to be the pinned one. `path` is a `.raw.zst` file, `given` where it is a person's own; hashes are SHA-256 in hex. */
export type Image = ImagePin & { readonly path: string; readonly given?: true };

/** An image file as it came, not yet judged. */
type Got = { readonly path: string; readonly sha256: string; readonly bytes: number };

/**
 * The image: from the cache, downloaded (resumed where a download was cut; `.raw.zst`, or `.raw.xz` where the factory has no
 * other), or the file given by hand. At first use its compressed and raw hashes are pinned in the lock file, after it was
 * decoded to its end; later it must be the same. What is not zstd is kept in the cache as zstd. Events: `image.progress`
 * {phase, bytes, total, rate} as `imageMeter`. Throws `E_IMAGE_CHANGED`, `E_IMAGE_CORRUPT`, `E_IMAGE_MISSING`, `E_IMAGE_UNKNOWN`, `E_FACTORY`, `E_LOCK`, `E_NO_XZ`.
 */
export async function ensureImage(host: Host, request: ImageRequest): Promise<Image> {
  const pinned = await pinnedSource(request);
  const found = pinned && await look(request, pinned);
  if (pinned && found?.state === 'kept') return named(pinned.source, pinned.pin, found.path);
  await mkdir(request.cacheFolder, { recursive: true });
  let unknown: unknown;
  await sweep(host, request.cacheFolder);
  for (const source of pinned ? [pinned.source] : sourcesOf(request)) {
    try {
      return await obtain(host, request, source, pinned?.pin);
    } catch (error) {
      if (!(error instanceof FirstlightError) || error.code !== 'E_IMAGE_UNKNOWN') throw error;
      unknown ??= error;
    }
  }
  throw unknown;
}

/** Whether `ensureImage` has nothing to do, without downloading: the image is pinned, here and whole. */
export async function observeImage(_host: Host, request: ImageRequest): Promise<{ state: 'done'; detail: string } | { state: 'needed'; why: string }> {
  const pinned = await pinnedSource(request);
  if (!pinned) return { state: 'needed', why: request.file === undefined ? `Talos ${tagOf(request)} with this schematic was never downloaded` : `${request.file} was never used` };
  const found = await look(request, pinned);
  if (found.state === 'kept') return { state: 'done', detail: `${tagOf(request)}, sha256 ${pinned.pin.compressedSha256.slice(0, 12)}` };
  return { state: 'needed', why: found.why };
}

async function obtain(host: Host, request: ImageRequest, source: Source, pin: ImagePin | undefined): Promise<Image> {
  if ('file' in source) {
    const given = await hashOf(source.file);
    if (!given) throw problem('E_IMAGE_MISSING', `there is no image at ${source.file}`, 'Put it there, or mend talos.image in cluster.yaml.');
    return accept(host, request, source, { path: source.file, ...given }, pin);
  }
  for (let tries = 1; ; tries++) {
    try {
      return await fetchImage(host, request, source, pin);
    } catch (error) {
      // Another run that downloads the same image has just taken the file away, whole.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 3) throw error;
    }
  }
}

async function fetchImage(host: Host, request: ImageRequest, source: Extract<Source, { url: string }>, pin: ImagePin | undefined): Promise<Image> {
  const part = partOf(request, source);
  let got = await download(host, source.url, part);
  if (pin && got.sha256 !== pin.compressedSha256 && got.resumed) {
    await rm(part, { force: true });
    got = await download(host, source.url, part);
  }
  try {
    return await accept(host, request, source, { path: part, ...got }, pin);
  } finally {
    // An abort while it was judged leaves a whole download: the next run takes it up.
    if (!host.signal.aborted) await rm(part, { force: true });
  }
}

/** Judges what came, keeps it as zstd and pins it at first use. */
async function accept(host: Host, request: ImageRequest, source: Source, got: Got, pin: ImagePin | undefined): Promise<Image> {
  if (pin && got.sha256 !== pin.compressedSha256) throw changed(source, got.sha256, pin, request);
  const base = { compressedSha256: got.sha256, compressedBytes: got.bytes };
  if (source.form === 'zst') {
    const image = pin ?? { ...base, ...await decoded(host, { path: got.path, given: 'file' in source }) };
    const path = 'file' in source ? source.file : join(request.cacheFolder, `${got.sha256}.raw.zst`);
    if (path !== got.path) await keep(got.path, path, request);
    return await pinned(request, source, image, path);
  }
  const work = join(request.cacheFolder, `${got.sha256}-${randomBytes(4).toString('hex')}.repack`);
  try {
    const { path: packed, sha256, rawSha256, rawBytes } = await repack(host, { path: got.path, form: source.form, given: 'file' in source }, work);
    if (pin && pin.rawSha256 !== rawSha256) throw problem('E_IMAGE_CORRUPT', `the image ${got.path} does not decode to the pinned bytes`, 'Try another version of xz; if that does not help, report it.');
    const path = join(request.cacheFolder, repackedName(rawSha256, sha256));
    await keep(packed, path, request);
    return await pinned(request, source, { ...base, rawSha256, rawBytes }, path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function pinned(request: ImageRequest, source: Source, pin: ImagePin, path: string): Promise<Image> {
  await updateLock(request.lockFile, { images: { [source.name]: pin } });
  return named(source, pin, path);
}

function named(source: Source, pin: ImagePin, path: string): Image {
  return { ...pin, path, ...('file' in source && source.file === path ? { given: true } : {}) };
}

function changed(source: Source, sha256: string, pin: ImagePin, request: ImageRequest): Error {
  const hashes = `${sha256.slice(0, 12)}…, not ${pin.compressedSha256.slice(0, 12)}…`;
  if ('file' in source) {
    return problem('E_IMAGE_CHANGED', `${source.file} is now another image than the one pinned: ${hashes}`,
      `If you replaced it yourself, remove "${source.name}" under images: in the lock file; otherwise find out who did.`, { where: { file: request.lockFile } });
  }
  return problem('E_IMAGE_CHANGED', `the image factory now serves another image than the one pinned: ${hashes}`,
    'Nobody should change a published image: find out why. To accept it, remove its entry under images: in the lock file.', { where: { file: request.lockFile } });
}

/** Decodes an image to its end, as what is written to cards is: it must be one of Talos, and as long as its table says. */
async function decoded(host: Host, image: Pick<CardImage, 'path' | 'given'>): Promise<{ rawSha256: string; rawBytes: number }> {
  const hash = createHash('sha256');
  let rawBytes = 0;
  let total = 0;
  let meter: ImageMeter | undefined;
  for await (const block of imageBlocks(image, host.signal)) {
    total ||= readLayout(block, image).rawBytes;
    meter ??= imageMeter(host, { phase: 'check', total });
    hash.update(block.data);
    rawBytes += block.data.length;
    meter.at(rawBytes);
  }
  if (rawBytes !== total) throw corruptImage(image, 'is not as long as its partition table says');
  return { rawSha256: hash.digest('hex'), rawBytes };
}
