import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { gitOverSsh, gitOverSshOrThrow, type GitAccess } from '../git.ts';
import { gitProblem, isOvertaken } from '../git-errors.ts';
import type { Repository } from '../repository.ts';
import { literal, ownGit } from './own-git.ts';

/** How the owner's branch stands to the git host's: the same commit, ahead of it, behind it, or each with commits of its own. */
export type Standing = { readonly state: 'same' | 'ahead' | 'behind' | 'apart'; readonly head: string };

/** What git keeps while something is under way in which single files can't be committed. */
const UNDER_WAY = { MERGE_HEAD: 'a merge', CHERRY_PICK_HEAD: 'a cherry-pick', REVERT_HEAD: 'a revert' } as const;

/** Refuses a work tree that takes no commit of ours: on no branch (`E_SECRETS_BRANCH`), or in the midst of a merge (`E_SECRETS_MERGE`). Gives the branch. */
export async function requireReady(host: Host, root: string): Promise<string> {
  const on = await host.run({ program: 'git', args: ['symbolic-ref', '--quiet', '--short', 'HEAD'], cwd: root, accept: 'any' });
  if (on.exitCode !== 0) throw problem('E_SECRETS_BRANCH', `the work tree ${root} is on no branch: what is committed there would be lost`, 'Finish what `git status` shows (a rebase, a bisect), or go to your branch with `git switch main`; then run the same command again.');
  const names = Object.keys(UNDER_WAY) as (keyof typeof UNDER_WAY)[];
  const places = (await ownGit(host, root, ['rev-parse', ...names.flatMap((name) => ['--git-path', name])])).stdout.trim().split('\n');
  const found = names.find((_, index) => existsSync(resolve(root, places[index] ?? '')));
  if (found) throw problem('E_SECRETS_MERGE', `${UNDER_WAY[found]} is under way in ${root}`, 'Finish it (`git status` says how) or take it back, then run the same command again.');
  return on.stdout.trim();
}

/** Refuses a work tree on another branch than the one Flux follows (`E_SECRETS_BRANCH`), and what `requireReady` refuses. */
export async function requireBranch(host: Host, root: string, branch: string): Promise<void> {
  const on = await requireReady(host, root);
  if (on === branch) return;
  throw problem('E_SECRETS_BRANCH', `the work tree is on branch ${on}, Flux follows ${branch}`, `Go to it with \`git switch ${branch}\`, then run the same command again.`);
}

/** Refuses uncommitted changes in these files (`E_SECRETS_UNCOMMITTED`): they would go into a commit of ours. */
export async function requireCommitted(host: Host, root: string, paths: readonly string[]): Promise<void> {
  const { stdout } = await ownGit(host, root, ['status', '--porcelain', '--', ...paths.map(literal)]);
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
  if (state === 'apart') throw apart(root);
  if (state === 'behind') await ownGit(host, root, ['merge', '--quiet', '--ff-only', repository.revision]);
}

/** Pushes the work tree's commit to the branch that Flux follows, with the inventory's key and pinned host. Throws `E_SECRETS_APART` where somebody else was quicker, `E_GIT_…`. */
export async function pushToFlux(host: Host, root: string, repository: Repository): Promise<void> {
  await repository.access(async (access) => {
    const pushed = await gitOverSsh(host, access, root, ['push', '--quiet', access.gitops.url, `HEAD:refs/heads/${access.gitops.branch}`]);
    if (pushed.exitCode === 0) return;
    throw isOvertaken(pushed.stderr) ? apart(root) : gitProblem(access.gitops, pushed.stderr, host.mask.hide);
  });
}

function apart(root: string): Error {
  return problem('E_SECRETS_APART', `${root} and the git host have each commits that the other lacks`,
    'Bring them together with `git pull --rebase`; where an encrypted file conflicts, keep the git host’s (`git checkout --ours FILE`, `git add FILE`, `git rebase --continue`). Then run the same command again: it does anew what is missing.');
}

async function fetchBranch(host: Host, access: GitAccess, root: string): Promise<void> {
  await gitOverSshOrThrow(host, access, root, ['fetch', '--quiet', '--no-tags', access.gitops.url, access.gitops.branch]);
}
