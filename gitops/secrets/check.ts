import { problem, type FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { git } from '../git.ts';
import { recipientsFor, secretFiles, sharedFault, type Homelab, type SecretFile } from './homelab.ts';
import { secretContent } from './manifest.ts';

/** Where git remembers up to which commit the history was looked through: a ref of our own, never pushed. */
export const CHECKED_REF = 'refs/firstlight/secrets-checked';

/**
 * Every fault of the work tree's secrets: plain ones (`E_SECRETS_PLAIN`), values left plain in an encrypted file
 * (`E_SECRETS_HALF`), wrong recipients (`E_SECRETS_RECIPIENTS`), one cluster's where all read (`E_SECRETS_SHARED`). Reads only, decrypts nothing.
 */
export async function workTreeFaults(host: Host, homelab: Homelab): Promise<FirstlightError[]> {
  return (await secretFiles(host, homelab)).flatMap((file) => fileFaults(homelab, file));
}

/** The same for what is staged for the next commit: the pre-commit hook's look. */
export async function stagedFaults(host: Host, homelab: Homelab): Promise<FirstlightError[]> {
  const { stdout } = await git(host, homelab.root, ['diff', '--cached', '--name-only', '-z', '--relative', '--diff-filter=ACMR']);
  const faults: FirstlightError[] = [];
  for (const path of stdout.split('\0').filter((each) => each !== '')) {
    const { stdout: text } = await git(host, homelab.root, ['show', `:./${path}`]);
    faults.push(...fileFaults(homelab, { path, text, content: secretContent(path, text) }));
  }
  return faults;
}

/**
 * Plain secrets in the commits since the last clean look, of all branches: each told once, by commit and file
 * (`E_SECRETS_HISTORY`). Where there is none the place is remembered in `CHECKED_REF`, so that the next look is short.
 */
export async function historyFaults(host: Host, homelab: Homelab): Promise<FirstlightError[]> {
  const since = await git(host, homelab.root, ['for-each-ref', '--format=%(objectname)', CHECKED_REF]);
  const not = since.stdout.trim() === '' ? [] : [`^${since.stdout.trim()}`];
  const { stdout } = await git(host, homelab.root, ['log', '--all', '--format=%x00%H', '--raw', '--no-abbrev', '--no-renames', '-m', '--diff-filter=AM', '--relative', ...not]);
  const seen = new Map<string, { readonly commit: string; readonly path: string }>();
  for (const part of stdout.split('\0').slice(1)) {
    const [commit = '', ...lines] = part.split('\n');
    for (const line of lines) {
      const match = /^:\d+ \d+ [0-9a-f]+ ([0-9a-f]+) [A-Z]\d*\t(.*)$/.exec(line);
      if (match?.[1] && match[2] !== undefined && /\.(ya?ml|json|txt|key|pem|agekey)$|^[^.]*$/.test(match[2])) seen.set(`${match[1]} ${match[2]}`, { commit, path: match[2] });
    }
  }
  const faults: FirstlightError[] = [];
  for (const [key, { commit, path }] of seen) {
    const { stdout: text } = await git(host, homelab.root, ['cat-file', 'blob', key.slice(0, key.indexOf(' '))]);
    const content = secretContent(path, text);
    if (content.kind !== 'plain') continue;
    faults.push(problem('E_SECRETS_HISTORY', `commit ${commit.slice(0, 10)} holds ${content.what}`,
      'Take the value as known to others: change it where it is used. Rewriting history (git filter-repo) only helps where it was never pushed.', { where: { file: path, line: content.line } }));
  }
  if (faults.length === 0) await remember(host, homelab);
  return faults;
}

/** Takes the history as looked through up to now, whatever it holds: the owner has changed what was known to others. */
export async function forgiveHistory(host: Host, homelab: Homelab): Promise<void> {
  await remember(host, homelab);
}

async function remember(host: Host, homelab: Homelab): Promise<void> {
  const head = await host.run({ program: 'git', args: ['rev-parse', '--quiet', '--verify', 'HEAD^{commit}'], cwd: homelab.root, accept: 'any' });
  if (head.exitCode === 0) await git(host, homelab.root, ['update-ref', CHECKED_REF, head.stdout.trim()]);
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
    faults.push(problem('E_SECRETS_HALF', `${path} has the marks of sops, but ${content.plainKeys.join(', ')} can be read by anybody`, 'Encrypt it anew: `firstlight secrets edit`.', { where: { file: path } }));
  }
  const shared = sharedFault(homelab, path);
  if (shared) return [...faults, shared];
  const wanted = recipientsFor(homelab, path);
  const missing = wanted.filter((one) => !content.recipients.includes(one.key)).map((one) => `${one.name} can't open it`);
  const extra = content.recipients.filter((key) => !wanted.some((one) => one.key === key)).map((key) => `${key.slice(0, 12)}… can, and is no recipient`);
  if (missing.length + extra.length > 0) {
    faults.push(problem('E_SECRETS_RECIPIENTS', `${path} is encrypted for others than the inventory says: ${[...missing, ...extra].join('; ')}`,
      'Run `firstlight secrets update`: it encrypts every file anew for the inventory’s recipients.', { where: { file: path } }));
  }
  return faults;
}
