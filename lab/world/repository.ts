import { cp, mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Host } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';

/** Folders of an owner's work tree that are not copied into a rehearsal: history, runs, backups. */
const LEFT_BEHIND = /(^|\/)(\.git|node_modules|runs|backups)$/;

/** Files of the cluster's folder that are not copied: what only the owner's keys open, and what was pinned for the real machines. */
const OWN = ['secrets.sops.yaml', 'credentials.sops.yaml', 'firstlight.lock.yaml'];

/** Copies the homelab repository's work tree to `target`; gives the copied cluster's folder. */
export async function copyHomelab(cluster: Cluster, target: string): Promise<string> {
  const own = new Set(OWN.map((name) => join(cluster.folder, name)));
  await cp(cluster.repository, target, {
    recursive: true,
    filter: (source) => !LEFT_BEHIND.test(relative(cluster.repository, source)) && !own.has(source),
  });
  return join(target, relative(cluster.repository, cluster.folder));
}

/**
 * Makes the copied work tree a git repository and pushes its one commit into a new bare repository at `bare`: the first, or one upon
 * the history of `branch` in another repository.
 */
export async function publish(host: Host, worktree: string, bare: string, branch: string, history?: string): Promise<void> {
  const git = (args: readonly string[], cwd: string) => host.run({ program: 'git', args, cwd, env: AUTHOR });
  await mkdir(bare, { recursive: true });
  await git(['init', '--quiet', '--bare', `--initial-branch=${branch}`, '.'], bare);
  await git(['init', '--quiet', `--initial-branch=${branch}`, '.'], worktree);
  // The owner's clone commits in the owner's name, also where the computer that rehearses has none.
  for (const [key, value] of [['user.name', AUTHOR.GIT_AUTHOR_NAME], ['user.email', AUTHOR.GIT_AUTHOR_EMAIL]] as const) await git(['config', key, value], worktree);
  if (history !== undefined) {
    await git(['fetch', '--quiet', history, branch], worktree);
    await git(['reset', '--quiet', '--soft', 'FETCH_HEAD'], worktree);
  }
  await git(['add', '--all'], worktree);
  await git(['commit', '--quiet', '--allow-empty', '--message', 'Describe the homelab'], worktree);
  await git(['push', '--quiet', bare, branch], worktree);
}

const AUTHOR = {
  GIT_AUTHOR_NAME: 'rehearsal', GIT_AUTHOR_EMAIL: 'rehearsal@firstlight.invalid',
  GIT_COMMITTER_NAME: 'rehearsal', GIT_COMMITTER_EMAIL: 'rehearsal@firstlight.invalid',
  GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null',
};
