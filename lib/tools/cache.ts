import { randomBytes } from 'node:crypto';
import { copyFile, chmod, mkdir, open, rename, rm, stat, symlink, readlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { readIfThere, syncFolder, writeWhole } from '../files.ts';
import type { Pin } from './pins.ts';

/** Where the tools lie: `<cache>/tools/<tool>-<version>/<binary>`, and `<cache>/tools/bin/<binary>` linking to those in use. */
export type Shelf = {
  readonly root: string;
  /** One link per binary. */
  readonly bin: string;
  /** The folder of one tool's pinned version. */
  folder(pin: Pick<Pin, 'tool' | 'version'>): string;
  /** A path for something half-made: what lies there may be removed or continued by the next run. */
  aside(name: string): string;
};

/** The tools' part of a cache folder. */
export function shelfIn(cache: string): Shelf {
  const root = join(cache, 'tools');
  return {
    root, bin: join(root, 'bin'),
    folder: (pin) => join(root, `${pin.tool}-${pin.version}`),
    aside: (name) => join(root, '.aside', name),
  };
}

/** What is written beside installed binaries, last: without it, or when a size differs, the tool counts as absent. */
type Installed = { readonly way: 'download' | 'build'; readonly from: string; readonly bytes: Readonly<Record<string, number>> };

const RECEIPT = 'installed.json';

/** The binaries of a wholly installed pinned version, or undefined. */
export async function findInstalled(shelf: Shelf, pin: Pin): Promise<ReadonlyMap<string, string> | undefined> {
  const text = await readIfThere(join(shelf.folder(pin), RECEIPT));
  if (text === undefined) return undefined;
  const receipt = readReceipt(text);
  const paths = new Map<string, string>();
  for (const binary of pin.binaries) {
    const path = join(shelf.folder(pin), binary);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile() || found.size !== receipt?.bytes[binary]) return undefined;
    paths.set(binary, path);
  }
  return paths;
}

/** Puts binaries (paths by name, moved or copied) into the tool's folder, each whole or not at all, and then the receipt. */
export async function install(shelf: Shelf, pin: Pin, files: ReadonlyMap<string, string>, way: Installed['way'], from: string): Promise<ReadonlyMap<string, string>> {
  const folder = shelf.folder(pin);
  await mkdir(folder, { recursive: true });
  const bytes: Record<string, number> = {};
  const paths = new Map<string, string>();
  for (const [binary, file] of files) {
    const aside = join(folder, `.${binary}.${randomBytes(4).toString('hex')}`);
    await moveFile(file, aside);
    await chmod(aside, 0o755);
    await syncFile(aside);
    bytes[binary] = (await stat(aside)).size;
    await rename(aside, join(folder, binary));
    paths.set(binary, join(folder, binary));
  }
  await syncFolder(folder);
  const receipt: Installed = { way, from, bytes };
  await writeWhole(join(folder, RECEIPT), `${JSON.stringify(receipt, undefined, 2)}\n`);
  return paths;
}

/** Takes an installed tool's receipt away, so that it counts as absent. */
export async function disown(shelf: Shelf, pin: Pick<Pin, 'tool' | 'version'>): Promise<void> {
  await rm(join(shelf.folder(pin), RECEIPT), { force: true });
}

/** Makes `bin/<binary>` a link to the path (relative inside the cache), replacing what was there at once. */
export async function link(shelf: Shelf, binary: string, path: string): Promise<void> {
  const name = join(shelf.bin, binary);
  const target = path.startsWith(shelf.root) ? relative(dirname(name), path) : path;
  if (await readlink(name).catch(() => undefined) === target) return;
  await mkdir(shelf.bin, { recursive: true });
  const aside = join(shelf.bin, `.${binary}.${randomBytes(4).toString('hex')}`);
  await symlink(target, aside);
  await rename(aside, name);
}

function readReceipt(text: string): Installed | undefined {
  try {
    return JSON.parse(text) as Installed;
  } catch {
    return undefined;
  }
}

async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(from, to);
    await rm(from);
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
