import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { git, gitOverSsh } from './git.ts';
import { gitProblem } from './git-errors.ts';
import type { Cluster } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { withKeyAgent } from './agent.ts';
import { writeKnownHosts } from './git.ts';
import { gitopsOf, requireGitKey } from './repository.ts';

/** Where the history of a lost repository is taken from: the bundle of a backup, or the owner's clone, which was ahead of it. */
export type Returned = { readonly revision: string; readonly from: 'the archive' | 'your clone'; readonly note?: string };

/**
 * Compares what is left of a repository's branch: the bundle of a backup and the owner's clone (`cluster.repository`), and takes the one that
 * is ahead; where each has commits of its own, the bundle, and says so. With `push` it is pushed to the git host, never forced: a branch
 * there that has commits of its own is left as it is (`E_GIT_APART`). Throws `E_GIT_NO_REPOSITORY` where its owner has made none there yet, `E_GIT_…`, `E_PROGRAM`.
 */
export async function bringBack(host: Host, cluster: Cluster, credentials: Credentials, bundle: string, push: boolean): Promise<Returned> {
  const gitops = gitopsOf(cluster);
  const key = requireGitKey(credentials);
  const folder = await mkdtemp(join(host.scratch, 'returned-'));
  const is = (older: string, newer: string): Promise<boolean> => host.run({ program: 'git', args: ['merge-base', '--is-ancestor', older, newer], cwd: folder, accept: 'any' }).then(({ exitCode }) => exitCode === 0);
  const knows = (ref: string): Promise<boolean> => host.run({ program: 'git', args: ['rev-parse', '--quiet', '--verify', `${ref}^{commit}`], cwd: folder, accept: 'any' }).then(({ exitCode }) => exitCode === 0);
  try {
    await git(host, folder, ['init', '--quiet', '--bare', '.']);
    await git(host, folder, ['fetch', '--quiet', '--no-tags', bundle, 'HEAD:refs/heads/archive']);
    // A clone that is not there, or on no such branch, is no reason to stop.
    await git(host, folder, ['fetch', '--quiet', '--no-tags', cluster.repository, `refs/heads/${gitops.branch}:refs/heads/own`]).catch(() => host.signal.throwIfAborted());
    const own = await knows('own');
    const ahead = own && await is('archive', 'own') && !await is('own', 'archive');
    const apart = own && !ahead && !await is('own', 'archive');
    const taken = ahead ? 'own' : 'archive';
    const revision = (await git(host, folder, ['rev-parse', taken])).stdout.trim();
    const told: Returned = { revision, from: ahead ? 'your clone' : 'the archive', ...(apart ? { note: 'your clone has commits that the archive lacks, and the other way about: the archive’s are taken; `git pull --rebase` brings yours upon them' } : {}) };
    if (!push) return told;
    const knownHosts = await writeKnownHosts(host, gitops);
    await withKeyAgent(host, key, async (agent) => {
      const done = await gitOverSsh(host, { gitops, agent, knownHosts }, folder, ['push', '--quiet', gitops.url, `${revision}:refs/heads/${gitops.branch}`]);
      if (done.exitCode === 0) return;
      if (/non-fast-forward|fetch first/.test(done.stderr)) {
        throw problem('E_GIT_APART', `${gitops.branch} at the git host has commits that neither the archive nor your clone has: nothing is forced upon it`, 'Look at both, bring them together, push, and run the same command again.');
      }
      throw gitProblem(gitops, done.stderr, host.mask.hide);
    });
    return told;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether a commit is in the history that a bundle holds. Throws `E_PROGRAM`. */
export async function isInBundle(host: Host, bundle: string, commit: string): Promise<boolean> {
  const folder = await mkdtemp(join(host.scratch, 'returned-'));
  try {
    await git(host, folder, ['init', '--quiet', '--bare', '.']);
    await git(host, folder, ['fetch', '--quiet', '--no-tags', bundle, 'HEAD:refs/heads/archive']);
    return (await host.run({ program: 'git', args: ['merge-base', '--is-ancestor', commit, 'archive'], cwd: folder, accept: 'any' })).exitCode === 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
