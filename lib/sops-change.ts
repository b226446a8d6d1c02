import { randomBytes } from 'node:crypto';
import { copyFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from './errors.ts';
import { writeWhole } from './files.ts';
import type { Host } from './host.ts';
import { sopsProblem } from './sops.ts';

const DEADLINE_MS = 30_000;
const TYPES = ['--input-type', 'yaml', '--output-type', 'yaml'];

/**
 * Sets one value of an encrypted YAML file, `keys` being the way to it; the rest of the file keeps its bytes but for the seal. The
 * value goes in by standard input. Gives false where it was there already, and then nothing is written. Throws `E_SOPS_…`.
 */
export async function sopsSet(host: Pick<Host, 'run' | 'scratch'>, path: string, keys: readonly string[], value: string): Promise<boolean> {
  const index = keys.map((key) => `[${JSON.stringify(key)}]`).join('');
  return onCopy(host, path, (copy) => ['--config', '/dev/null', 'set', '--idempotent', '--value-stdin', ...TYPES, copy, index], JSON.stringify(value));
}

/** Takes one value out of an encrypted YAML file, `keys` being the way to it. Gives false where it was not there. Throws `E_SOPS_…`. */
export async function sopsUnset(host: Pick<Host, 'run' | 'scratch'>, path: string, keys: readonly string[]): Promise<boolean> {
  const index = keys.map((key) => `[${JSON.stringify(key)}]`).join('');
  return onCopy(host, path, (copy) => ['--config', '/dev/null', 'unset', '--idempotent', ...TYPES, copy, index]);
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
  await onCopy(host, path, (copy) => ['--config', '/dev/null', 'rotate', '--in-place', ...TYPES, ...list('--add-age', change.add), ...list('--rm-age', change.remove), copy]);
}

/** sops writes in place, which a crash could cut: it gets a copy in the scratch folder, and the file is then replaced as a whole. */
async function onCopy(host: Pick<Host, 'run' | 'scratch'>, path: string, args: (copy: string) => readonly string[], stdin?: string): Promise<boolean> {
  const copy = join(host.scratch, `sops-${randomBytes(6).toString('hex')}.yaml`);
  try {
    const before = await readFile(path).catch(() => { throw sopsProblem(path, 'non-existent file'); });
    await copyFile(path, copy);
    const done = await host.run({ program: 'sops', args: args(copy), timeoutMs: DEADLINE_MS, accept: 'any', ...(stdin === undefined ? {} : { stdin }) });
    if (done.exitCode !== 0) throw sopsProblem(path, done.stderr.replaceAll(copy, path));
    const after = await readFile(copy);
    if (after.equals(before)) return false;
    await writeWhole(path, after);
    return true;
  } finally {
    await rm(copy, { force: true });
  }
}
