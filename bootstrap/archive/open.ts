import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import tar from 'tar-stream';
import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { unsealed } from './envelope.ts';
import { readManifest, type Expected } from './manifest.ts';
import { MANIFEST, SIGNATURE } from './pack.ts';
import { archiveTime } from './places/place.ts';
import { digestOf, readPieces } from './places/transfer.ts';
import { archiveName, type Archive, type Entry, type Manifest, type OpenOptions } from './types.ts';

/** A manifest names a few hundred entries at most. */
const LONGEST_MANIFEST = 16 * 1024 * 1024;

/**
 * Decrypts an archive into a folder and proves it: the signature before anything else is taken, then every entry, in the signed order, none more
 * and none less, against its signed digest. What is left to prove is the snapshot, by a restore (`proveSnapshot`). Each refusal of the file
 * is an `E_ARCHIVE_…` with its reason: `_NOT`, `_KEY`, `_DAMAGED`, `_SIGNATURE`, `_SIGNER`, `_FORMAT`, `_CLUSTER`, `_RECIPIENTS`, `_ENTRY`, `_NAME` (a file
 * that is called as a backup of another time); `_ROOM` is about this machine. The folder is gone then.
 */
export async function openArchive(host: Host, file: string, options: OpenOptions): Promise<Archive> {
  const { folder } = options;
  for (const identity of options.identities) host.mask.add(identity);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const opened = await unsealed(host, file, options.identities);
    const manifest = await extract(host, file, folder, opened.plain, { ...options, header: opened.header, recipients: opened.recipients });
    requireOwnName(file, manifest);
    const names = manifest.entries.map(({ name }) => name);
    return {
      file, manifest, bytes: (await stat(file)).size, sha256: await digestOf(readPieces(host, file).pieces),
      signer: options.signer === undefined ? 'unknown' : 'pinned',
      path: (name) => (names.includes(name) ? join(folder, name) : undefined),
      names: (prefix) => names.filter((name) => name.startsWith(prefix)),
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    host.signal.throwIfAborted();
    throw error;
  }
}

async function extract(host: Host, file: string, folder: string, plain: AsyncIterable<Uint8Array>, expected: Expected): Promise<Manifest> {
  const entries = tar.extract();
  let failure: unknown;
  const feeding = pipeline(plain, createZstdDecompress(), entries).catch((error: unknown) => { failure ??= error; });
  const taken: Taken = { names: [] };
  try {
    for await (const entry of entries) await take(file, folder, entry as unknown as TarEntry, taken, expected);
  } catch (error) {
    // The first cause is the encryption's, where that ended the stream.
    entries.destroy();
    await feeding;
    host.signal.throwIfAborted();
    throw coded(failure) ?? coded(error) ?? ofThisMachine(folder, error) ?? unreadable(file, error);
  }
  await feeding;
  if (failure !== undefined) throw coded(failure) ?? unreadable(file, failure);
  const { manifest } = taken;
  if (!manifest) throw entryProblem(file, 'it holds no manifest');
  const lacking = manifest.entries[taken.names.length];
  if (lacking) throw entryProblem(file, `it lacks ${lacking.name}`);
  return manifest;
}

type TarEntry = AsyncIterable<Buffer> & { readonly header: { readonly name: string; readonly type?: string | null; readonly size?: number } };
type Taken = { text?: Buffer; manifest?: Manifest; readonly names: string[] };

/** Manifest and signature first; after them exactly what the manifest names, in its order. */
async function take(file: string, folder: string, entry: TarEntry, taken: Taken, expected: Expected): Promise<void> {
  const { name, type, size = 0 } = entry.header;
  if (type !== 'file') throw entryProblem(file, `${name} in it is no file`);
  if (taken.text === undefined || taken.manifest === undefined) {
    const wanted = taken.text === undefined ? MANIFEST : SIGNATURE;
    if (name !== wanted || size > LONGEST_MANIFEST) throw entryProblem(file, `it has ${name} where ${wanted} belongs`);
    const pieces: Buffer[] = [];
    for await (const piece of entry) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    if (taken.text === undefined) { taken.text = bytes; return; }
    taken.manifest = readManifest(file, taken.text, Buffer.from(bytes.toString('latin1'), 'base64'), expected);
    await requireRoom(folder, taken.manifest.entries);
    return;
  }
  const promised = taken.manifest.entries[taken.names.length];
  if (promised?.name !== name) throw entryProblem(file, `it has ${name} where ${promised === undefined ? 'it should end' : `${promised.name} belongs`}`);
  if (size !== promised.bytes) throw entryProblem(file, `${name} in it has ${size} bytes, and its manifest promises ${promised.bytes}`);
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const hash = createHash('sha256');
  await pipeline(entry, async function* (pieces: AsyncIterable<Buffer>) { for await (const piece of pieces) { hash.update(piece); yield piece; } }, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  if (hash.digest('hex') !== promised.sha256) throw entryProblem(file, `${name} in it is not what was signed`);
  taken.names.push(name);
}

/** Lists and restores take an archive for as old as its name says. */
function requireOwnName(file: string, { cluster, at }: Manifest): void {
  const own = archiveName(cluster, Date.parse(at));
  if (archiveTime(cluster, basename(file)) === undefined || basename(file) === own) return;
  throw problem('E_ARCHIVE_NAME', `${file} is the backup of ${at}, under the name of another`, `Take another archive; or, if you renamed it, call it ${own} again.`, { where: { file } });
}

/** A file system's refusal here says nothing of the archive. */
function ofThisMachine(folder: string, error: unknown): FirstlightError | undefined {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined || code === undefined) return undefined;
  return problem('E_ARCHIVE_ROOM', `the archive can't be opened into ${folder} (${code})`, 'Point XDG_RUNTIME_DIR to a private folder with enough room, in memory where possible, and run again.', { where: { file: folder }, cause: error });
}

function entryProblem(file: string, what: string): FirstlightError {
  return problem('E_ARCHIVE_ENTRY', `${file} is not as it was made: ${what}`, 'Somebody who can decrypt it put it together from other parts: take another archive, and see who has the keys.', { where: { file } });
}

function unreadable(file: string, cause: unknown): FirstlightError {
  return problem('E_ARCHIVE_DAMAGED', `what ${file} holds is no archive of firstlight (${cause instanceof Error ? cause.message : 'no word of why'})`, 'Take another archive.', { where: { file }, cause });
}

function coded(error: unknown): FirstlightError | undefined {
  return error instanceof FirstlightError ? error : undefined;
}

async function requireRoom(folder: string, entries: readonly Entry[]): Promise<void> {
  const needed = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize > needed) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw problem('E_ARCHIVE_ROOM', `the archive holds ${mib(needed)}, and ${folder} has ${mib(bavail * bsize)} free`, 'Point XDG_RUNTIME_DIR to a private folder with that much room, in memory where possible, and run again.');
}
