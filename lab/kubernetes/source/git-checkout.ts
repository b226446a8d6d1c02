import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** What to fetch: the URL, a ref, and (for ssh) the Secret's `identity` and `known_hosts` as texts. `timeoutMs` bounds each call of git. */
export type Checkout = {
  readonly url: string;
  readonly ref: GitRef;
  readonly ssh?: { readonly identity: string; readonly knownHosts: string };
  readonly ignore?: string;
  readonly timeoutMs: number;
  /** Where git and ssh are found. */
  readonly path: string;
  /** Ends a running git. */
  readonly signal: AbortSignal;
  /** The object's own folder: kept between fetches. */
  readonly folder: string;
};

/** `spec.ref` as far as the stand-in knows it. */
export type GitRef = { readonly kind: 'branch' | 'tag' | 'commit' | 'name'; readonly value: string; readonly branch?: string };

/** What was fetched; `revision` as Flux writes it (`main@sha1:…`). */
export type Fetched = { readonly commit: string; readonly revision: string };

/** What fluxcd/pkg/sourceignore leaves out of every artifact. */
const IGNORED = [
  '.gitignore', '.gitmodules', '.gitattributes', '*.jpg', '*.jpeg', '*.gif', '*.png', '*.wmv', '*.flv', '*.tar.gz', '*.zip',
  '.github/', '.circleci/', '.travis.yml', '.gitlab-ci.yml', 'appveyor.yml', '.drone.yml', 'cloudbuild.yaml', 'codeship-services.yml',
  'codeship-steps.yml', '**/.goreleaser.yml', '**/.sops.yaml', '**/.flux.yaml',
];

/** Who made an archive's commit, and when: the same always. */
const DATED = {
  GIT_AUTHOR_NAME: 'source', GIT_AUTHOR_EMAIL: 'source@localhost', GIT_AUTHOR_DATE: '1970-01-02T00:00:00Z',
  GIT_COMMITTER_NAME: 'source', GIT_COMMITTER_EMAIL: 'source@localhost', GIT_COMMITTER_DATE: '1970-01-02T00:00:00Z',
};

/** Fetches the ref with real git (over ssh with the given key and only the given host keys). Throws git's own words. */
export async function fetchRef(checkout: Checkout): Promise<Fetched> {
  const { folder, ref } = checkout;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await git(checkout, ['init', '--quiet', '--bare', join(folder, 'git')]);
  const source = { branch: `refs/heads/${ref.value}`, tag: `refs/tags/${ref.value}`, commit: ref.value, name: ref.value }[ref.kind];
  await git(checkout, ['fetch', '--quiet', '--force', '--depth=1', '--no-tags', checkout.url, `+${source}:refs/fetched/head`]);
  const commit = (await git(checkout, ['rev-parse', 'refs/fetched/head^{commit}'])).trim();
  const prefix = ref.kind === 'commit' ? ref.branch : ref.value;
  return { commit, revision: `${prefix === undefined ? '' : `${prefix}@`}sha1:${commit}` };
}

/**
 * Writes the tree of a fetched commit as a tar.gz to `path`, without what Flux leaves out: its own patterns, the repository's
 * `.sourceignore` (the one at its root; deeper ones are not read) and `spec.ignore`, all with gitignore's rules. The same commit gives
 * the same bytes at any time: an archive made twice would otherwise no longer fit the digest that controllers have of it, and they
 * would try again only after their retry interval.
 */
export async function archiveTree(checkout: Checkout, commit: string, path: string): Promise<void> {
  const work = await mkdtemp(join(checkout.folder, 'archive-'));
  try {
    const index = { cwd: work, env: { GIT_INDEX_FILE: join(work, 'index'), GIT_WORK_TREE: work } };
    const patterns = join(work, 'ignore');
    const own = await git(checkout, ['show', `${commit}:.sourceignore`]).catch(() => '');
    await writeFile(patterns, [...IGNORED, own, checkout.ignore ?? ''].join('\n'));
    await git(checkout, ['read-tree', commit], index);
    const left = await git(checkout, ['ls-files', '-z', '--cached', '--ignored', `--exclude-from=${patterns}`], index);
    await git(checkout, ['update-index', '-z', '--force-remove', '--stdin'], { ...index, input: left });
    const tree = (await git(checkout, ['write-tree'], index)).trim();
    const aside = join(work, 'tree.tar.gz');
    // Of a tree, git archive dates the files now; of a commit, as the commit.
    const dated = (await git(checkout, ['commit-tree', tree, '-m', 'artifact'], { env: DATED })).trim();
    await git(checkout, ['archive', '--format=tar.gz', `--output=${aside}`, dated]);
    await rename(aside, path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function git(checkout: Checkout, args: readonly string[], extra: { cwd?: string; env?: Record<string, string>; input?: string } = {}): Promise<string> {
  const env = {
    PATH: checkout.path, HOME: checkout.folder, GIT_DIR: join(checkout.folder, 'git'), GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', LC_ALL: 'C', GIT_SSH_VARIANT: 'ssh', GIT_SSH_COMMAND: await sshCommand(checkout), ...extra.env,
  };
  const done = await execa('git', [...args], {
    env, extendEnv: false, reject: false, timeout: checkout.timeoutMs, forceKillAfterDelay: 1_000, cancelSignal: checkout.signal, stripFinalNewline: false,
    cwd: extra.cwd ?? checkout.folder,
    ...(extra.input === undefined ? { stdin: 'ignore' as const } : { input: extra.input }),
  });
  if (done.exitCode === 0) return done.stdout;
  throw new Error(done.timedOut ? 'context deadline exceeded' : wordsOf(done.stderr) || `git ended with ${done.exitCode}`);
}

/** What git and ssh said, without git's standing advice. */
function wordsOf(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !/^(Please make sure you have|and the repository exists)/.test(line)).slice(-6).join('; ');
}

async function sshCommand({ ssh, folder }: Checkout): Promise<string> {
  const identity = join(folder, 'identity');
  const knownHosts = join(folder, 'known_hosts');
  if (ssh === undefined) return 'false';
  await writeFile(identity, `${ssh.identity.trimEnd()}\n`, { mode: 0o600 });
  await writeFile(knownHosts, ssh.knownHosts, { mode: 0o600 });
  const options = {
    IdentityFile: identity, IdentitiesOnly: 'yes', IdentityAgent: 'none', UserKnownHostsFile: knownHosts, GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes', UpdateHostKeys: 'no', CheckHostIP: 'no', BatchMode: 'yes', ConnectTimeout: '10', ServerAliveInterval: '10', LogLevel: 'ERROR',
  };
  return ['ssh', '-F', '/dev/null', ...Object.entries(options).flatMap(([name, value]) => ['-o', `'${name}=${value}'`])].join(' ');
}
