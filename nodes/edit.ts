import { readFile, realpath, stat } from 'node:fs/promises';
import { problem } from '../lib/errors.ts';
import { writeWhole } from '../lib/files.ts';
import type { Cluster } from './cluster.ts';
import { editedText, textWithHostKey, type NodeChange } from './edit-text.ts';
import { loadCluster, loadText } from './load.ts';

export type { NodeChange } from './edit-text.ts';

/**
 * Sets values of one node in a cluster.yaml, in place: comments, order, quotes and line ends stay. The edited text is judged as any
 * inventory before it replaces the file, whole; gives the cluster as it then is. Throws `E_INVENTORY` (before and after, with every
 * mistake's place; the file is then as it was), `E_INVENTORY_EDIT`, `E_INVENTORY_FILE` where somebody else changed the file meanwhile.
 */
export async function setNode(file: string, node: string, change: NodeChange): Promise<Cluster> {
  return edit(file, (text) => editedText(text, file, node, change));
}

/**
 * Puts another host key of the git host into a cluster.yaml, in the place of the one that is there: two words, `ssh-ed25519 AAAA…`. All
 * else stays to the byte. Throws as `setNode`.
 */
export async function setGitHostKey(file: string, hostKey: string): Promise<Cluster> {
  return edit(file, (text) => textWithHostKey(text, file, hostKey));
}

async function edit(file: string, change: (text: string) => string): Promise<Cluster> {
  await loadCluster(file);
  // The file may be a link; what is replaced is what it points to.
  const real = await realpath(file);
  const before = await readFile(real);
  const text = before.toString('utf8');
  if (!Buffer.from(text).equals(before)) throw problem('E_INVENTORY_FILE', `${file} is not UTF-8`, 'Save it as UTF-8 and run the same command again.', { where: { file } });
  const after = change(text);
  const edited = await loadText(file, after);
  if (after === text) return edited;
  if (!(await readFile(real)).equals(before)) {
    throw problem('E_INVENTORY_FILE', `${file} was changed by somebody else just now, and is left as it is`, 'Save it, close the editor, and run the same command again.', { where: { file } });
  }
  await writeWhole(real, after, (await stat(real)).mode & 0o777);
  return edited;
}
