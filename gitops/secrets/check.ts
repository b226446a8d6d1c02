import { join } from 'node:path';
import { problem, type FirstlightError } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import { blobTexts } from './blobs.ts';
import { recipientsFor, secretFiles, sharedFault, type Homelab, type SecretFile } from './homelab.ts';
import { secretContent } from './manifest.ts';
import { ownGit } from './own-git.ts';

/** Where it is remembered up to which commits the history was looked through: in git's own folder, one id a line, never pushed. */
export const CHECKED_FILE = 'firstlight/secrets-checked';

const HISTORY_MS = 10 * 60_000;

/**
 * Every fault of the work tree's secrets: plain ones (`E_SECRETS_PLAIN`), values left plain in an encrypted file
 * (`E_SECRETS_HALF`), wrong recipients (`E_SECRETS_RECIPIENTS`), one cluster's where all read (`E_SECRETS_SHARED`). Reads only, decrypts nothing.
 */
export async function workTreeFaults(host: Host, homelab: Homelab): Promise<FirstlightError[]> {
  return (await secretFiles(host, homelab)).flatMap((file) => fileFaults(homelab, file));
}

/** The same for what is staged for the next commit: the pre-commit hook's look. `index` is git's file of it, where it is not the usual one (GIT_INDEX_FILE). */
export async function stagedFaults(host: Host, homelab: Homelab, index?: string): Promise<FirstlightError[]> {
  const args = ['diff', '--cached', '--raw', '--no-abbrev', '--no-renames', '-z', '--relative', '--diff-filter=AMT'];
  const { stdout } = await ownGit(host, homelab.root, args, index === undefined ? {} : { env: { GIT_INDEX_FILE: index } });
  const blobs = rawBlobs(stdout);
  const texts = await blobTexts(host, homelab.root, blobs.map(({ blob }) => blob));
  return blobs.flatMap(({ blob, path }) => {
    const text = texts.get(blob) ?? '';
    return fileFaults(homelab, { path, text, content: secretContent(path, text) });
  });
}

/**
 * Plain secrets in the commits since the last clean look, of all branches: each told once, by commit and file
 * (`E_SECRETS_HISTORY`). Where there is none the place is remembered in `CHECKED_FILE`, so that the next look is short.
 */
export async function historyFaults(host: Host, homelab: Homelab): Promise<FirstlightError[]> {
  const tips = await tipsOf(host, homelab);
  const looked = (await readIfThere(await checkedFile(host, homelab)))?.split('\n').filter((line) => /^[0-9a-f]{40,64}$/.test(line)) ?? [];
  if (tips.every((tip) => looked.includes(tip))) return [];
  const args = ['log', '--no-show-signature', '--all', '--ignore-missing', '--stdin', '--no-color', '--format=%x00%x00%H', '--raw', '--no-abbrev', '--no-renames', '-c', '-z', '--diff-filter=AMT', '--relative'];
  const { stdout } = await ownGit(host, homelab.root, args, { stdin: looked.map((tip) => `^${tip}\n`).join(''), timeoutMs: HISTORY_MS });
  const seen = new Map<string, { readonly commit: string; readonly blob: string; readonly path: string }>();
  for (const part of stdout.split(/\0\0(?=[0-9a-f]{40,64}(?:[\0\n]|$))/).slice(1)) {
    const commit = /^[0-9a-f]+/.exec(part)?.[0] ?? '';
    for (const { blob, path } of rawBlobs(part.slice(commit.length))) {
      if (/\.(ya?ml|json|txt|key|pem|agekey)$|^[^.]*$/i.test(path)) seen.set(`${blob} ${path}`, { commit, blob, path });
    }
  }
  const faults: FirstlightError[] = [];
  const texts = await blobTexts(host, homelab.root, [...seen.values()].map(({ blob }) => blob));
  for (const { commit, blob, path } of seen.values()) {
    const content = secretContent(path, texts.get(blob) ?? '');
    if (content.kind !== 'plain') continue;
    faults.push(problem('E_SECRETS_HISTORY', `commit ${commit.slice(0, 10)} holds ${content.what}`,
      'Take the value as known to others and change it where it is used; then `firstlight secrets check --forgive` tells of it no more. Rewriting history (git filter-repo) only helps where it was never pushed.', { where: { file: path, line: content.line } }));
  }
  if (faults.length === 0) await remember(host, homelab, tips);
  return faults;
}

/** Takes the history of all branches as looked through up to now, whatever it holds: the owner has changed what was known to others. */
export async function forgiveHistory(host: Host, homelab: Homelab): Promise<void> {
  await remember(host, homelab, await tipsOf(host, homelab));
}

async function remember(host: Host, homelab: Homelab, tips: readonly string[]): Promise<void> {
  await writeWhole(await checkedFile(host, homelab), tips.map((tip) => `${tip}\n`).join(''));
}

async function checkedFile(host: Host, homelab: Homelab): Promise<string> {
  const folder = (await ownGit(host, homelab.root, ['rev-parse', '--path-format=absolute', '--git-common-dir'])).stdout.trim();
  return join(folder, CHECKED_FILE);
}

/** The newest commits of all branches, tags, stashes and of the work tree. */
async function tipsOf(host: Host, homelab: Homelab): Promise<string[]> {
  const { stdout } = await ownGit(host, homelab.root, ['rev-parse', '--all']);
  const head = await host.run({ program: 'git', args: ['rev-parse', '--quiet', '--verify', 'HEAD^{commit}'], cwd: homelab.root, accept: 'any' });
  return [...new Set(`${stdout}\n${head.stdout}`.split('\n').filter((line) => line !== ''))].sort();
}

/** The files in git's raw diff with -z: for each the blob that came and the path. Links and submodules are left out. */
function rawBlobs(raw: string): { readonly blob: string; readonly path: string }[] {
  const found: { blob: string; path: string }[] = [];
  const parts = raw.split('\0');
  for (const [index, part] of parts.entries()) {
    // `:old-mode new-mode old new status`; of a merge with one old mode and blob for each parent.
    const words = /^\s*:+(\d{6} .* [A-Z]+)\d*$/.exec(part)?.[1]?.split(' ');
    const path = parts[index + 1];
    if (!words || path === undefined) continue;
    const parents = (words.length - 3) / 2;
    const [mode = '', blob = ''] = [words[parents], words[2 * parents + 1]];
    if (mode.startsWith('100')) found.push({ blob, path });
  }
  return found;
}

function fileFaults(homelab: Homelab, file: SecretFile): FirstlightError[] {
  const { path, content } = file;
  if (content.kind === 'none') return [];
  if (content.kind === 'plain') {
    return [problem('E_SECRETS_PLAIN', `${path} holds ${content.what}`,
      'Never commit it like this: `firstlight secrets set` writes it encrypted; keep private keys outside the repository.', { where: { file: path, line: content.line } })];
  }
  const faults: FirstlightError[] = [];
  if (content.plainKeys.length > 0) {
    faults.push(problem('E_SECRETS_HALF', `${path} has the marks of sops, but ${content.plainKeys.join(', ')} can be read by anybody`, 'Take the value out of the file by hand and put it in with `firstlight secrets set`; take it as known to whoever saw the file.', { where: { file: path } }));
  }
  const shared = sharedFault(homelab, path);
  if (shared) return [...faults, shared];
  const wanted = recipientsFor(homelab, path);
  const missing = wanted.filter((one) => !content.recipients.includes(one.key)).map((one) => `${one.name} can't open it`);
  const extra = content.recipients.filter((key) => !wanted.some((one) => one.key === key)).map((key) => `${key.slice(0, 12)}… can, and is no recipient`);
  if (content.grouped && missing.length > 0) {
    faults.push(problem('E_SECRETS_GROUPS', `${path} is encrypted in key groups (shares), so nobody opens it alone: ${missing.join('; ')}`, 'Encrypt it without key groups: `sops decrypt` it into a pipe, and `sops encrypt` it for the recipients of the inventory.', { where: { file: path } }));
  } else if (missing.length + extra.length > 0) {
    faults.push(problem('E_SECRETS_RECIPIENTS', `${path} is encrypted for others than the inventory says: ${[...missing, ...extra].join('; ')}`,
      'Run `firstlight secrets update`: it encrypts every file anew for the inventory’s recipients.', { where: { file: path } }));
  }
  return faults;
}
