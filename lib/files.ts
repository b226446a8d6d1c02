import { open, mkdir, readdir, rename, rm, readFile } from 'node:fs/promises';
import { dirname, basename, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { isRunning } from './pid.ts';

/**
 * Writes a file so that a reader, or a crash, sees the old content or the new, never half of it: written aside, fsynced,
 * renamed, folder fsynced. What a killed writer of the same file left aside is removed. `mode` is the file's permission bits (0o644 unless told). Throws what the file system throws.
 */
export async function writeWhole(path: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await removeStale(path);
  const aside = join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(6).toString('hex')}`);
  try {
    const file = await open(aside, 'wx', mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Removes what writers of this file left aside that run no more on this machine. */
async function removeStale(path: string): Promise<void> {
  const start = `.${basename(path)}.`;
  for (const name of await readdir(dirname(path))) {
    const writer = name.startsWith(start) ? /^(\d+)-[0-9a-f]{12}$/.exec(name.slice(start.length))?.[1] : undefined;
    if (writer !== undefined && !isRunning(Number(writer))) await rm(join(dirname(path), name), { force: true });
  }
}

/** Makes the names in a folder durable (fsync of the folder itself). */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The text of a file, or undefined where there is none. Throws on every other failure. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
