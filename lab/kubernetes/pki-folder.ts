import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../../lib/errors.ts';
import type { KeyPair } from './types.ts';

/** Where a key pair lies on disk (0600 files in a 0700 folder). */
export type PairFiles = { readonly crt: string; readonly key: string };

/** Writes `<name>.crt` and `<name>.key` into the folder, made if missing. */
export async function writePair(folder: string, name: string, pair: KeyPair): Promise<PairFiles> {
  return { crt: await writeSecret(folder, `${name}.crt`, pair.crt), key: await writeSecret(folder, `${name}.key`, pair.key) };
}

/** Writes one 0600 file into the folder (made 0700 if missing) and gives its path. */
export async function writeSecret(folder: string, name: string, text: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

/** The path of a program. Throws E_NO_PROGRAM where the lab was not given it. */
export function programPath(programs: ReadonlyMap<string, string>, name: string): string {
  const path = programs.get(name);
  if (path === undefined) throw problem('E_NO_PROGRAM', `the lab needs ${name}, which is not there`, 'Run `firstlight tools` to fetch the programs firstlight needs.');
  return path;
}
