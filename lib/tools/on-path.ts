import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, join, sep } from 'node:path';
import { isAbort } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Pin } from './pins.ts';
import { findVersion, isCompatible, type Version } from './version.ts';

/** A tool found on PATH: its binaries' absolute paths and the version the first of them says. */
export type FoundOnPath = { readonly paths: ReadonlyMap<string, string>; readonly version: string };

/** All of a tool's binaries on PATH at a compatible version, or undefined. What lies below `ours` (our own cache) is passed over. */
export async function findOnPath(host: Host, pin: Pin, path: string, ours: string): Promise<FoundOnPath | undefined> {
  if (!pin.onPath) return undefined;
  const paths = new Map<string, string>();
  const versions: string[] = [];
  for (const binary of pin.binaries) {
    const file = await firstOnPath(binary, path, ours);
    if (file === undefined) return undefined;
    const found = await askVersion(host, file, pin.onPath.says[binary] ?? []);
    if (!found || !isCompatible(found, pin.onPath)) return undefined;
    paths.set(binary, file);
    versions.push(found.numbers.join('.') + (found.early && `-${found.early}`));
  }
  return { paths, version: versions[0] ?? pin.version };
}

/** The version a program says, or undefined where it does not run, takes longer than 10 s, or says none. */
export async function askVersion(host: Host, file: string, args: readonly string[]): Promise<Version | undefined> {
  try {
    const said = await host.run({ program: file, args, timeoutMs: 10_000, accept: 'any' });
    return findVersion(said.stdout) ?? findVersion(said.stderr);
  } catch (error) {
    if (isAbort(error)) throw error;
    return undefined;
  }
}

/** The first executable file of that name on PATH, outside `ours`. */
export async function firstOnPath(binary: string, path: string, ours: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    const file = join(folder, binary);
    if (!folder.startsWith(sep) || !await isExecutable(file)) continue;
    const real = await realpath(file);
    if (!file.startsWith(ours + sep) && !real.startsWith(ours + sep)) return file;
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
