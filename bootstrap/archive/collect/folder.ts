import type { Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Part } from '../pack.ts';
import { ENTRY } from '../types.ts';

/** What of a cluster's folder a person or firstlight wrote; images, runs and backups are not. */
const KEPT = /\.(ya?ml|json|pem|crt|md|txt)$/;
/** Bytes that such a file has at most. */
const LONGEST = 4 * 1024 * 1024;

/**
 * The files of the cluster's folder, and of its patches: inventory, lock file, both encrypted files, authorities; of links what they lead to. Read
 * here and now: somebody may write to them before they are packed. Throws what the file system throws.
 */
export async function clusterFiles(folder: string): Promise<readonly Part[]> {
  const top = (await readdir(folder, { withFileTypes: true })).filter(isFile).map((entry) => entry.name);
  const patches = await readdir(join(folder, 'patches'), { recursive: true, withFileTypes: true }).catch(() => []);
  const below = patches.filter(isFile).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  const parts: Part[] = [];
  for (const name of [...top, ...below].filter((each) => KEPT.test(each) && !/(^|\/)\./.test(each)).toSorted()) {
    const about = await stat(join(folder, name)).catch(() => undefined);
    if (about?.isFile() && about.size <= LONGEST) parts.push({ name: `${ENTRY.cluster}${name}`, text: await readFile(join(folder, name)) });
  }
  return parts;
}

function isFile(entry: Dirent): boolean {
  return entry.isFile() || entry.isSymbolicLink();
}
