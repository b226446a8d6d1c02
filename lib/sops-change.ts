import { randomBytes } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { parseDocument } from 'yaml';
import { problem } from './errors.ts';
import { writeWhole } from './files.ts';
import type { Host } from './host.ts';
import { sopsProblem, sopsTypes } from './sops.ts';

const DEADLINE_MS = 30_000;

/** The way to a value: the names of maps and, from 0, the places in lists. */
export type Keys = readonly (string | number)[];

/**
 * Sets one value of an encrypted YAML or JSON file, in its first document; the rest of the file keeps its bytes but for the seal. The
 * value goes in by standard input. Gives false where it was there already, and then nothing is written. Throws `E_SOPS_PLAIN` where
 * the file's own rules would leave it in the clear, `E_SOPS_MEANWHILE`, `E_SOPS_…`.
 */
export async function sopsSet(host: Pick<Host, 'run' | 'scratch'>, path: string, keys: Keys, value: string): Promise<boolean> {
  return onCopy(host, path, (copy) => ['--config', '/dev/null', 'set', '--idempotent', '--value-stdin', ...sopsTypes(path), copy, indexOf(keys)], {
    stdin: JSON.stringify(value),
    see: (text) => {
      const set: unknown = parseDocument(text).getIn(keys);
      if (value === '' || (typeof set === 'string' && set.startsWith('ENC['))) return;
      throw problem('E_SOPS_PLAIN', `sops would leave ${keys.join('.')} of ${path} in the clear, by the file’s own rules`, 'Choose a key that its sops section (encrypted_regex, suffixes) has encrypted, or another file. Nothing was written.', { where: { file: path } });
    },
  });
}

/** Takes one value out of an encrypted file, `keys` being the way to it. Gives false where it was not there. Throws `E_SOPS_…`. */
export async function sopsUnset(host: Pick<Host, 'run' | 'scratch'>, path: string, keys: Keys): Promise<boolean> {
  return onCopy(host, path, (copy) => ['--config', '/dev/null', 'unset', '--idempotent', ...sopsTypes(path), copy, indexOf(keys)]);
}

function indexOf(keys: Keys): string {
  return keys.map((key) => `[${JSON.stringify(key)}]`).join('');
}

/**
 * Encrypts a file anew, under a new data key, for other recipients: `add` are taken in, `remove` put out. The file is replaced as
 * a whole. An identity of one of its present recipients must be at hand. Throws `E_RECIPIENTS` where fewer than two would stay, `E_SOPS_…`.
 */
export async function sopsRekey(host: Pick<Host, 'run' | 'scratch'>, path: string, change: { readonly now: readonly string[]; readonly add: readonly string[]; readonly remove: readonly string[] }): Promise<void> {
  const after = new Set([...change.now.filter((key) => !change.remove.includes(key)), ...change.add]);
  if (after.size < 2) {
    throw problem('E_RECIPIENTS', `${path} would be encrypted for ${after.size} recipient, so one lost key loses it`,
      'Name at least two different age recipients under secrets.recipients.', { where: { file: path } });
  }
  const list = (name: string, keys: readonly string[]): string[] => (keys.length === 0 ? [] : [name, keys.join(',')]);
  await onCopy(host, path, (copy) => ['--config', '/dev/null', 'rotate', '--in-place', ...sopsTypes(path), ...list('--add-age', change.add), ...list('--rm-age', change.remove), copy]);
}

/** sops writes in place, which a crash could cut: it gets a copy in the scratch folder, and the file is then replaced as a whole. */
async function onCopy(host: Pick<Host, 'run' | 'scratch'>, path: string, args: (copy: string) => readonly string[], more: { readonly stdin?: string; readonly see?: (text: string) => void } = {}): Promise<boolean> {
  const copy = join(host.scratch, `sops-${randomBytes(6).toString('hex')}${extname(path)}`);
  try {
    const before = await readFile(path).catch(() => { throw sopsProblem(path, 'non-existent file'); });
    await writeFile(copy, before, { mode: 0o600 });
    const done = await host.run({ program: 'sops', args: args(copy), timeoutMs: DEADLINE_MS, accept: 'any', ...(more.stdin === undefined ? {} : { stdin: more.stdin }) });
    if (done.exitCode !== 0) throw sopsProblem(path, done.stderr.replaceAll(copy, path));
    const after = await readFile(copy);
    if (after.equals(before)) return false;
    more.see?.(after.toString());
    await replaceUnchanged(path, before, after);
    return true;
  } finally {
    await rm(copy, { force: true });
  }
}

/** Replaces a file as a whole, its mode kept. Throws `E_SOPS_MEANWHILE` where it is no longer what was read: another's change would be lost. */
export async function replaceUnchanged(path: string, before: Uint8Array, after: Uint8Array): Promise<void> {
  if (!(await readFile(path)).equals(before)) {
    throw problem('E_SOPS_MEANWHILE', `${path} was changed by somebody else meanwhile`, 'Nothing was written; run the same command again.', { where: { file: path } });
  }
  await writeWhole(path, after, (await stat(path)).mode & 0o777);
}
