import { link, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { problem, type FirstlightError } from '../../../lib/errors.ts';
import { syncFolder } from '../../../lib/files.ts';
import type { Host } from '../../../lib/host.ts';
import { archiveTime, type Place } from './place.ts';
import { asideName, digestOf, existsProblem, isLeftBehind, missingProblem, readBackProblem, readPieces, receive, sizeOf, teller } from './transfer.ts';

/**
 * A folder of this machine: of a disk, a stick, or a mounted share. With `make` it is made where it is missing; without, a missing one
 * is refused, for it may be a share that is not mounted.
 */
export type FolderOptions = { readonly name: string; readonly path: string; readonly make: boolean; readonly cluster: string };

/** File systems without hard links (FAT, some shares) say so in one of these ways. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

/**
 * Backups in a folder: written aside (0600), fsynced, read again, then given their name, which nobody had. Throws `E_PLACE_FOLDER`, `E_PLACE_FULL`,
 * `E_PLACE_REFUSED`, `E_PLACE_EXISTS`, `E_PLACE_MISSING`, `E_PLACE_READ_BACK`, `E_PLACE`.
 */
export function folderPlace(host: Host, { name: title, path, make, cluster }: FolderOptions): Place {
  const where = `the folder ${path}`;
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      host.signal.throwIfAborted();
      throw explained(error, where, path);
    }
  };
  const ready = async (): Promise<void> => {
    if (make) await mkdir(path, { recursive: true, mode: 0o700 });
    if (!(await stat(path)).isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
  };
  return {
    kind: 'folder', name: title, where,
    put: (name, file) => call(async () => {
      await ready();
      await sweep(host, path);
      const total = await sizeOf(file);
      if (await there(join(path, name))) throw existsProblem(where, name);
      const aside = join(path, asideName(name));
      try {
        const { pieces, digest } = readPieces(host, file, teller(host, name, 'upload', total));
        await write(aside, pieces);
        if (await digestOf(readPieces(host, aside, teller(host, name, 'verify', total)).pieces) !== digest()) throw readBackProblem(where, name);
        await giveName(aside, join(path, name)).catch((error: NodeJS.ErrnoException) => {
          throw error.code === 'EEXIST' ? existsProblem(where, name) : error;
        });
      } finally {
        await rm(aside, { force: true });
      }
      await syncFolder(path);
    }),
    get: (name, file) => call(async () => {
      const from = join(path, name);
      if (!await there(from)) throw missingProblem(where, name);
      const total = await sizeOf(from);
      await receive(host, file, readPieces(host, from).pieces, { bytes: total }, teller(host, name, 'download', total));
    }),
    list: () => call(async () => {
      // One that is made by the first backup has none until then.
      if (make && !await there(path)) return [];
      await ready();
      const names = (await readdir(path)).filter((name) => archiveTime(cluster, name) !== undefined);
      const found = await Promise.all(names.map(async (name) => ({ name, about: await stat(join(path, name)).catch(() => undefined) })));
      return found.flatMap(({ name, about }) => (about?.isFile() ? [{ name, bytes: about.size, at: archiveTime(cluster, name)! }] : []));
    }),
    remove: (name) => call(async () => {
      await rm(join(path, name), { force: true });
      await syncFolder(path);
    }),
    close: async () => {},
  };
}

async function write(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const out = await open(path, 'wx', 0o600);
  try {
    for await (const piece of pieces) await out.writeFile(piece);
    await out.sync();
  } finally {
    await out.close();
  }
}

/** A link is refused where the name is taken, which a rename would not be. */
async function giveName(aside: string, path: string): Promise<void> {
  try {
    await link(aside, path);
    await unlink(aside);
  } catch (error) {
    if (!NO_LINKS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await rename(aside, path);
  }
}

async function there(path: string): Promise<boolean> {
  return await stat(path).then(() => true, (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return false;
    throw error;
  });
}

async function sweep(host: Pick<Host, 'clock'>, path: string): Promise<void> {
  for (const name of await readdir(path)) {
    const about = await stat(join(path, name)).catch(() => undefined);
    if (about && isLeftBehind(name, about.mtimeMs, host.clock.now())) await rm(join(path, name), { force: true });
  }
}

function explained(error: unknown, where: string, path: string): Error {
  const { code } = error as NodeJS.ErrnoException;
  const told = (name: string, message: string, hint: string): FirstlightError => problem(name, `${where} ${message}`, hint, { where: { file: path }, cause: error });
  if (code === undefined || code.startsWith('E_')) return error as Error;
  if (code === 'ENOENT' || code === 'ENOTDIR') return told('E_PLACE_FOLDER', 'is not there', `Mount what it is on, or make it: mkdir -p ${path}. (A folder beside cluster.yaml is made by itself.)`);
  if (code === 'ENOSPC' || code === 'EDQUOT') return told('E_PLACE_FULL', `has no room left in ${dirname(path)}`, 'Make room, or keep fewer backups (backup.keep in cluster.yaml).');
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return told('E_PLACE_REFUSED', `refuses (${code})`, 'Give this user the right to read and write there.');
  return told('E_PLACE', `can't be used (${code})`, 'Look at the disk or the share that it is on.');
}
