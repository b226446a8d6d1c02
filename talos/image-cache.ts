import { createHash } from 'node:crypto';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import { readLock, type ImagePin } from '../lib/lock-file.ts';
import { hashOf, sourcesOf, tagOf, type ImageRequest, type Source } from './image-source.ts';

/** A source whose image the lock file pins. */
export type Pinned = { readonly source: Source; readonly pin: ImagePin };

/** The source of this image that the lock file pins; undefined before its first use. Throws `E_LOCK`. */
export async function pinnedSource(request: ImageRequest): Promise<Pinned | undefined> {
  const { images } = await readLock(request.lockFile);
  for (const source of sourcesOf(request)) {
    const pin = images[source.name];
    if (pin) return { source, pin };
  }
  return undefined;
}

/** Whether an image is here, or why not. */
export type Found = { readonly state: 'kept'; readonly path: string } | { readonly state: 'not'; readonly why: string };

/** Whether the pinned image is here, judged by its bytes; damaged ones are taken for absent. */
export async function look(request: ImageRequest, { source, pin }: Pinned): Promise<Found> {
  if ('file' in source) {
    const given = await hashOf(source.file);
    if (given?.sha256 !== pin.compressedSha256) return { state: 'not', why: given ? `${source.file} is not the pinned image` : `${source.file} is not there` };
    if (source.form === 'zst') return { state: 'kept', path: source.file };
  }
  if (source.form === 'zst') {
    const path = join(request.cacheFolder, `${pin.compressedSha256}.raw.zst`);
    const hash = await hashOf(path);
    if (hash?.sha256 === pin.compressedSha256) return { state: 'kept', path };
    return { state: 'not', why: hash ? 'the image in the cache is damaged' : 'the pinned image is not in the cache' };
  }
  // Another compressor may pack the same bytes otherwise: such a file is named by what it holds and by its own hash.
  const names = (await readdir(request.cacheFolder).catch(() => [])).filter((name) => name.startsWith(`${pin.rawSha256}-`));
  for (const name of names) {
    const path = join(request.cacheFolder, name);
    if (name === repackedName(pin.rawSha256, (await hashOf(path))?.sha256 ?? '')) return { state: 'kept', path };
  }
  return { state: 'not', why: names.length > 0 ? 'the image in the cache is damaged' : 'the pinned image is not in the cache' };
}

/** Where a download grows. Each factory has its own: another's bytes are never gone on with. */
export function partOf(request: ImageRequest, source: Source): string {
  const factory = createHash('sha256').update(request.factory).digest('hex').slice(0, 8);
  return join(request.cacheFolder, `${request.schematicId}-${tagOf(request)}-${factory}.raw.${source.form}.part`);
}

const WEEK_MS = 7 * 24 * 3_600_000;

/** Removes what runs that were killed left half-done, when it is a week old. */
export async function sweep(host: Host, folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((one) => /\.(part|repack)$/.test(one))) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found && host.clock.now() - found.mtimeMs > WEEK_MS) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** The name in the cache of an image that was packed anew. */
export function repackedName(rawSha256: string, sha256: string): string {
  return `${rawSha256}-${sha256}.raw.zst`;
}

/** Puts a whole file into the cache, durably. */
export async function keep(from: string, to: string, request: ImageRequest): Promise<void> {
  await rename(from, to);
  await syncFolder(request.cacheFolder);
}
