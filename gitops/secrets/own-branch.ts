import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { gitOverSshOrThrow, type GitAccess } from '../git.ts';
import type { Repository } from '../repository.ts';
import { ownGit } from './own-git.ts';

/** How the owner's branch stands to the git host's: the same commit, ahead of it, behind it, or each with commits of its own. */
export type Standing = { readonly state: 'same' | 'ahead' | 'behind' | 'apart'; readonly head: string };

/** Refuses a work tree on another branch than the one Flux follows (`E_SECRETS_BRANCH`). */
export async function requireBranch(host: Host, root: string, branch: string): Promise<void> {
  const { stdout } = await ownGit(host, root, ['symbolic-ref', '--quiet', '--short', 'HEAD']);
  if (stdout.trim() === branch) return;
  throw problem('E_SECRETS_BRANCH', `the work tree is on branch ${stdout.trim()}, Flux follows ${branch}`, `Go to it with \`git switch ${branch}\`, then run the same command again.`);
}

/** Refuses uncommitted changes in these files (`E_SECRETS_UNCOMMITTED`): they would go into a commit of ours. */
export async function requireCommitted(host: Host, root: string, paths: readonly string[]): Promise<void> {
  const { stdout } = await ownGit(host, root, ['status', '--porcelain', '--', ...paths]);
  const changed = stdout.split('\n').filter((line) => line !== '').map((line) => line.slice(3));
  if (changed.length === 0) return;
  throw problem('E_SECRETS_UNCOMMITTED', `there are uncommitted changes in ${changed.slice(0, 3).join(', ')}${changed.length > 3 ? ' and others' : ''}`, 'Commit or undo them, then run the same command again.');
}

/** Looks how the work tree's branch stands to the git host's newest commit, which `repository` was just opened at. */
export async function standing(host: Host, root: string, repository: Repository): Promise<Standing> {
  const head = (await ownGit(host, root, ['rev-parse', 'HEAD'])).stdout.trim();
  if (head === repository.revision) return { state: 'same', head };
  await repository.access((access) => fetchBranch(host, access, root));
  const is = async (old: string, young: string): Promise<boolean> => (await host.run({ program: 'git', args: ['merge-base', '--is-ancestor', old, young], cwd: root, accept: 'any' })).exitCode === 0;
  if (await is(repository.revision, head)) return { state: 'ahead', head };
  return { state: await is(head, repository.revision) ? 'behind' : 'apart', head };
}

/** Brings the work tree's branch forward to the git host's. Throws `E_SECRETS_APART` where both have commits of their own, `E_SECRETS_GIT`. */
export async function catchUp(host: Host, root: string, repository: Repository): Promise<void> {
  const { state } = await standing(host, root, repository);
  if (state === 'apart') {
    throw problem('E_SECRETS_APART', `${root} and the git host have each commits that the other lacks`, 'Bring them together (`git pull --rebase`), then run the same command again.');
  }
  if (state === 'behind') await ownGit(host, root, ['merge', '--quiet', '--ff-only', repository.revision]);
}

/** Pushes the work tree's commit to the branch that Flux follows, with the inventory's key and pinned host. Throws `E_GIT_…`. */
export async function pushToFlux(host: Host, root: string, repository: Repository): Promise<void> {
  await repository.access((access) => gitOverSshOrThrow(host, access, root, ['push', '--quiet', access.gitops.url, `HEAD:refs/heads/${access.gitops.branch}`]));
}

async function fetchBranch(host: Host, access: GitAccess, root: string): Promise<void> {
  await gitOverSshOrThrow(host, access, root, ['fetch', '--quiet', '--no-tags', access.gitops.url, access.gitops.branch]);
}
