import { join } from 'node:path';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { sopsRekey } from '../../lib/sops-change.ts';
import { recipientsIn } from '../../lib/sops.ts';
import { recipientsFor, secretFiles, sharedFault, type Homelab, type SecretFile } from './homelab.ts';

/** A file that is to be encrypted anew: who can open it now, and who comes and goes. Recipients of other kinds than age (pgp, kms) stay. */
export type Rekeying = { readonly path: string; readonly now: readonly string[]; readonly add: readonly string[]; readonly remove: readonly string[] };

/**
 * Which of the files are not for the inventory's recipients; `instead` maps a recipient of the inventory to the one that takes its
 * place. Throws `E_SECRETS_SHARED`, `E_SECRETS_GROUPS` where that can't be mended by encrypting anew.
 */
export function rekeyingsOf(homelab: Homelab, files: readonly SecretFile[], instead: ReadonlyMap<string, string> = new Map()): Rekeying[] {
  return files.flatMap(({ path, content }) => {
    const shared = sharedFault(homelab, path);
    if (shared) throw shared;
    if (content.kind !== 'encrypted') return [];
    const wanted = recipientsFor(homelab, path).map((one) => instead.get(one.key) ?? one.key);
    const add = wanted.filter((key) => !content.recipients.includes(key));
    const remove = content.recipients.filter((key) => !wanted.includes(key));
    if (add.length + remove.length === 0) return [];
    if (content.grouped) throw problem('E_SECRETS_GROUPS', `${path} is encrypted in key groups, whose recipients are not changed here`, 'Change them with `sops updatekeys`, or encrypt it without key groups; then run the same command again.', { where: { file: path } });
    return [{ path, now: content.recipients, add, remove }];
  });
}

/**
 * Encrypts every file whose recipients are not the inventory's anew, under a new data key, and gives their paths; the others are
 * not touched. May be cut off and run again: each file is replaced as a whole. Nothing is committed. Throws `E_SOPS_KEY` where no
 * identity at hand opens a file, `E_SOPS_…`, and, before anything is touched, what `rekeyingsOf` throws.
 */
export async function rekeyAll(host: Host, homelab: Homelab, instead: ReadonlyMap<string, string> = new Map()): Promise<string[]> {
  const rekeyings = rekeyingsOf(homelab, await secretFiles(host, homelab), instead);
  for (const { path, now, add, remove } of rekeyings) {
    await sopsRekey(host, join(homelab.root, path), { now, add, remove });
    host.emit({ code: 'secrets.rekeyed', message: `${path}: encrypted anew for ${now.length + add.length - remove.length} recipients` });
  }
  return rekeyings.map(({ path }) => path);
}

/** Files that an earlier `rekeyAll`, cut off, left encrypted anew and not committed: their recipients are others than in the newest commit. */
export async function rekeyedBefore(host: Host, homelab: Homelab): Promise<string[]> {
  const { exitCode, stdout } = await host.run({ program: 'git', args: ['diff', 'HEAD', '--name-only', '--no-renames', '--relative', '-z'], cwd: homelab.root, accept: 'any' });
  const changed = new Set(exitCode === 0 ? stdout.split('\0') : []);
  const found: string[] = [];
  for (const { path, content } of await secretFiles(host, homelab)) {
    if (content.kind !== 'encrypted' || !changed.has(path)) continue;
    const committed = await host.run({ program: 'git', args: ['show', `HEAD:./${path}`], cwd: homelab.root, accept: 'any' });
    const before = committed.exitCode === 0 ? recipientsIn(committed.stdout) : undefined;
    if (before && [...before].sort().join() !== [...content.recipients].sort().join()) found.push(path);
  }
  return found;
}
