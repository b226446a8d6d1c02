import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { problem } from '../lib/errors.ts';
import { writeWhole } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster, Gitops } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { withKeyAgent } from './agent.ts';
import { git, gitOverSsh, gitOverSshOrThrow, writeKnownHosts, type GitAccess } from './git.ts';
import { gitProblem, isOvertaken } from './git-errors.ts';
import { inTurn } from './turns.ts';

/** A clone of the GitOps repository as it is at the git host, in the scratch folder. */
export type Repository = {
  /** Work tree at `revision`; only read it, write through `commitFiles`. */
  readonly folder: string;
  readonly branch: string;
  /** The branch's newest commit at the git host (40 hex digits). */
  readonly revision: string;
  /** Opens the repository again with the credentials it was opened with: for commits. */
  readonly access: <T>(work: (access: GitAccess) => Promise<T>) => Promise<T>;
};

/** A file to commit: its path in the repository and its whole content. */
export type FileToCommit = { readonly path: string; readonly content: string };

/** The cluster's GitOps section. Throws `E_GIT_NONE` for a cluster without one. */
export function gitopsOf(cluster: Cluster): Gitops {
  if (cluster.gitops) return cluster.gitops;
  throw problem('E_GIT_NONE', `cluster ${cluster.name} has no gitops section`, 'Add the section gitops to cluster.yaml, or leave the GitOps steps out.');
}

/**
 * Clones the branch over SSH, or brings the run's clone up to date with the git host. Throws `E_GIT_AUTH`,
 * `E_GIT_HOST_KEY`, `E_GIT_UNREACHABLE`, `E_GIT_NO_BRANCH`, `E_GIT_NO_REPOSITORY`, `E_GIT_KEY`, `E_GIT_URL`, `E_GIT_NONE`, `E_GIT`.
 */
export async function openRepository(host: Host, cluster: Cluster, credentials: Credentials): Promise<Repository> {
  const gitops = gitopsOf(cluster);
  const key = requireGitKey(credentials);
  const folder = join(host.scratch, `gitops-${createHash('sha256').update(`${gitops.url} ${gitops.branch}`).digest('hex').slice(0, 8)}`);
  const access: Repository['access'] = async (work) => {
    const knownHosts = await writeKnownHosts(host, gitops);
    return withKeyAgent(host, key, (agent) => work({ gitops, agent, knownHosts }));
  };
  return inTurn(folder, async () => {
    const revision = await access((each) => bringUpToDate(host, each, folder));
    return { folder, branch: gitops.branch, revision, access };
  });
}

/**
 * Commits files (only those that differ) and pushes. Gives the repository at its new revision and whether a commit was
 * made; equal files make none. A push overtaken by somebody else's is tried once more on theirs; a refused one leaves the
 * clone as it was. Throws `E_GIT_PUSH_REFUSED` with the remote's words, and what `openRepository` throws.
 */
export async function commitFiles(host: Host, repository: Repository, message: string, files: readonly FileToCommit[]): Promise<{ readonly repository: Repository; readonly committed: boolean }> {
  const { folder, branch } = repository;
  return inTurn(folder, () => repository.access(async (access) => {
    for (let attempt = 1; ; attempt += 1) {
      const base = await bringUpToDate(host, access, folder);
      for (const file of files) await writeWhole(join(folder, file.path), file.content);
      await git(host, folder, ['add', '--', ...files.map((file) => file.path)]);
      const { stdout } = await git(host, folder, ['diff', '--cached', '--name-only']);
      if (stdout.trim() === '') return { repository: { ...repository, revision: base }, committed: false };
      await git(host, folder, ['commit', '--quiet', '--no-verify', '--message', message]);
      const pushed = await gitOverSsh(host, access, folder, ['push', '--quiet', 'origin', `HEAD:refs/heads/${branch}`]);
      if (pushed.exitCode === 0) {
        const revision = await bringUpToDate(host, access, folder);
        return { repository: { ...repository, revision }, committed: true };
      }
      await git(host, folder, ['reset', '--quiet', '--hard', base]);
      if (attempt > 1 || !isOvertaken(pushed.stderr)) throw gitProblem(access.gitops, pushed.stderr, host.mask.hide);
    }
  }));
}

/**
 * Proves, by a push that sends nothing, that the git key may write: hosts refuse a read-only deploy key as soon as it asks to.
 * Throws `E_GIT_PUSH_REFUSED` and what `openRepository` throws. A protected branch shows only when something is pushed.
 */
export async function provePush(host: Host, { folder, branch, access }: Repository): Promise<void> {
  await inTurn(folder, () => access((granted) => gitOverSshOrThrow(host, granted, folder, ['push', '--quiet', '--dry-run', 'origin', `HEAD:refs/heads/${branch}`])));
}

/** The git key, known to the mask by the time it is used. Throws `E_CREDENTIALS_MISSING`. */
export function requireGitKey(credentials: Pick<Credentials, 'gitKey'>): string {
  if (credentials.gitKey) return credentials.gitKey;
  throw problem('E_CREDENTIALS_MISSING', 'gitKey is missing in the credentials', 'Put the private key with which Flux reaches the repository into credentials.sops.yaml with `sops edit`.');
}

async function bringUpToDate(host: Host, access: GitAccess, folder: string): Promise<string> {
  const { url, branch } = access.gitops;
  if (!existsSync(join(folder, '.git', 'HEAD'))) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await git(host, folder, ['init', '--quiet', `--initial-branch=${branch}`, '.']);
    await git(host, folder, ['remote', 'add', 'origin', url]);
  }
  const tracking = `refs/remotes/origin/${branch}`;
  await gitOverSshOrThrow(host, access, folder, ['fetch', '--quiet', '--no-tags', '--depth=1', 'origin', `+refs/heads/${branch}:${tracking}`]);
  await git(host, folder, ['checkout', '--quiet', '--force', '-B', branch, tracking]);
  await git(host, folder, ['clean', '--quiet', '-d', '--force', '-x']);
  const { stdout } = await git(host, folder, ['rev-parse', tracking]);
  return stdout.trim();
}
