import { createHash, randomBytes } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { problem, type FirstlightError } from '../../../lib/errors.ts';
import { syncFolder } from '../../../lib/files.ts';
import type { Host } from '../../../lib/host.ts';

/** What goes on with an archive: on its way there, being read again to compare, or on its way here. */
export type Phase = 'upload' | 'verify' | 'download';

/** The end of the names of files that are being written: nobody lists them. */
const ASIDE = '.part';

/** How old a file left aside must be to be taken as left behind: its writer may be another machine. */
const STALE_MS = 24 * 3_600_000;

const QUIET_MS = 2_000;
const EVERY_MS = 500;

/** Bytes of one piece: every SFTP server takes 32 KiB (draft-ietf-secsh-filexfer-02, 3). */
export const PIECE = 32 * 1024;

/** The name under which an archive is written until it is whole: no archive's name, different each time. */
export function asideName(name: string): string {
  return `.${name}.${randomBytes(6).toString('hex')}${ASIDE}`;
}

/** Whether a file of a place was left behind by a writer that was killed. `modified` and `now` in milliseconds since 1970. */
export function isLeftBehind(name: string, modified: number, now: number): boolean {
  return /^\..+\.[0-9a-f]{12}\.part$/.test(name) && now - modified > STALE_MS;
}

/**
 * Tells how far a transfer is once it has taken two seconds, at most twice a second: events `archive.progress`,
 * {phase, bytes, total, rate, secondsLeft}, rate in bytes a second.
 */
export function teller(host: Pick<Host, 'emit' | 'clock'>, name: string, phase: Phase, total: number): (bytes: number) => void {
  const began = host.clock.now();
  let told = began + QUIET_MS - EVERY_MS;
  return (bytes) => {
    const now = host.clock.now();
    if (now - told < EVERY_MS) return;
    told = now;
    const rate = Math.round(bytes / Math.max(0.001, (now - began) / 1000));
    host.emit({ code: 'archive.progress', message: name, data: { phase, bytes, total, rate, secondsLeft: Math.ceil((total - bytes) / Math.max(1, rate)) } });
  };
}

/** The pieces of a file, with the digest of what has been read so far. The host's signal ends it. Throws what the file system throws. */
export function readPieces(host: Pick<Host, 'signal'>, path: string, each: (bytes: number) => void = () => {}): { readonly pieces: AsyncIterable<Buffer>; digest(): string } {
  const hash = createHash('sha256');
  async function* pieces(): AsyncIterable<Buffer> {
    const file = await open(path, 'r');
    let bytes = 0;
    try {
      for (;;) {
        host.signal.throwIfAborted();
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE), 0, PIECE, bytes);
        if (bytesRead === 0) return;
        const piece = buffer.subarray(0, bytesRead);
        hash.update(piece);
        bytes += bytesRead;
        each(bytes);
        yield piece;
      }
    } finally {
      await file.close();
    }
  }
  return { pieces: pieces(), digest: () => hash.copy().digest('hex') };
}

/** SHA-256 in hex of all pieces. */
export async function digestOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** Bytes of a file. Throws `E_ARCHIVE_FILE` where it is none. */
export async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return found.size;
  throw problem('E_ARCHIVE_FILE', `${path} is not a file`, 'Make the backup again.', { where: { file: path } });
}

/** What is known of an archive that is to come: its bytes, and where the place keeps it, its SHA-256 in hex. */
export type Expected = { readonly bytes: number; readonly sha256?: string | undefined };

/**
 * Writes what comes to `file` (0600): aside, fsynced, renamed, so that it is there whole or not at all.
 * Throws `E_PLACE_CUT` where other than the expected bytes came, `E_ARCHIVE_FILE` where it can't be written, and what the source throws.
 */
export async function receive(host: Pick<Host, 'signal'>, file: string, source: AsyncIterable<Uint8Array>, expected: Expected, each: (bytes: number) => void): Promise<void> {
  const aside = join(dirname(file), asideName(basename(file)));
  const hash = createHash('sha256');
  const out = await here(file, open(aside, 'wx', 0o600));
  try {
    let bytes = 0;
    try {
      for await (const piece of source) {
        host.signal.throwIfAborted();
        hash.update(piece);
        await here(file, out.writeFile(piece));
        bytes += piece.byteLength;
        each(bytes);
      }
      await here(file, out.sync());
    } finally {
      await out.close();
    }
    const cut = bytes === expected.bytes ? 'other than it was put there' : `with ${bytes} of ${expected.bytes} bytes`;
    if (bytes !== expected.bytes || (expected.sha256 !== undefined && hash.digest('hex') !== expected.sha256)) throw problem('E_PLACE_CUT', `${basename(file)} came ${cut}`, 'Run again; where it stays so, take another archive: this one was damaged there.');
    await here(file, rename(aside, file));
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncFolder(dirname(file));
}

/** What fails here is told as such, and not as the place's failure. */
async function here<T>(file: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw problem('E_ARCHIVE_FILE', `${file} can't be written (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`, 'Look for room and rights in that folder.', { where: { file }, cause: error });
  }
}

/** The error for an archive that a place has already: nothing there is ever overwritten. */
export function existsProblem(where: string, name: string): FirstlightError {
  return problem('E_PLACE_EXISTS', `${where} has ${name} already, and nothing there is overwritten`, 'Look at it with `firstlight backup verify`; a new backup gets a name of its own.');
}

/** The error for an archive that a place does not have. */
export function missingProblem(where: string, name: string): FirstlightError {
  return problem('E_PLACE_MISSING', `${where} has no ${name}`, '`firstlight backup list` tells which are there.');
}

/** The error for an archive that reads back other than it was written. */
export function readBackProblem(where: string, name: string): FirstlightError {
  return problem('E_PLACE_READ_BACK', `${name} reads back from ${where} other than it was written, and was taken away again`, 'Do not trust that storage: look at its disk (SMART, file system check), and use another place meanwhile.');
}
