import { randomBytes } from 'node:crypto';
import type { Host } from '../../lib/host.ts';
import { ownGit } from './own-git.ts';

/** Larger ones hold no Secret that Kubernetes would take. */
const BIGGEST = 2 * 1024 * 1024;
/** How many bytes of them one call of git gives. */
const PORTION = 16 * 1024 * 1024;
const DEADLINE_MS = 10 * 60_000;

/** The texts of git's blobs by id (hex), read in a few calls; what is missing or larger than 2 MiB is left out. Throws `E_SECRETS_GIT`. */
export async function blobTexts(host: Pick<Host, 'run' | 'mask'>, root: string, blobs: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  const ids = [...new Set(blobs)];
  if (ids.length === 0) return texts;
  const call = (args: string, some: readonly string[]): Promise<string> => ownGit(host, root, ['cat-file', args], { stdin: some.map((id) => `${id}\n`).join(''), timeoutMs: DEADLINE_MS }).then(({ stdout }) => stdout);
  const sizes = (await call('--batch-check=%(objectname) %(objectsize)', ids)).split('\n').map((line) => line.split(' '));
  const portions: string[][] = [[]];
  let filled = 0;
  for (const [id = '', size = ''] of sizes) {
    if (!/^\d+$/.test(size) || Number(size) > BIGGEST) continue;
    if (filled + Number(size) > PORTION) { portions.push([]); filled = 0; }
    portions.at(-1)?.push(id);
    filled += Number(size);
  }
  for (const portion of portions.filter((each) => each.length > 0)) {
    // A mark that no file can hold by chance parts them: sizes count bytes, and what is no UTF-8 was replaced on the way.
    const mark = randomBytes(12).toString('hex');
    for (const part of (await call(`--batch=${mark} %(objectname)`, portion)).split(`${mark} `).slice(1)) {
      const end = part.indexOf('\n');
      texts.set(part.slice(0, end), part.slice(end + 1, -1));
    }
  }
  return texts;
}
