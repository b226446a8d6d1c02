import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { requireGitNotOlder, standingOf } from '../../gitops/git-standing.ts';
import { openRepository, type Repository } from '../../gitops/repository.ts';
import type { Host } from '../../lib/host.ts';
import { startGitWorld, type GitWorld } from './support.ts';

// A real git host with a history: first, second, third on main; a side line from first.

let world: GitWorld;
let repository: Repository;
const commits: Record<string, string> = {};
const AUTHOR = { GIT_AUTHOR_NAME: 'o', GIT_AUTHOR_EMAIL: 'o@o', GIT_COMMITTER_NAME: 'o', GIT_COMMITTER_EMAIL: 'o@o' };
const git = async (...args: string[]): Promise<string> => (await world.host.run({ program: 'git', args, cwd: world.cluster.repository, env: AUTHOR })).stdout.trim();

before(async () => {
  world = await startGitWorld('127.101.61.2');
  commits['first'] = await git('rev-parse', 'HEAD');
  for (const name of ['second', 'third']) {
    await git('commit', '--quiet', '--allow-empty', '--message', name);
    commits[name] = await git('rev-parse', 'HEAD');
  }
  await git('push', '--quiet', world.bare, 'main');
  await git('checkout', '--quiet', '-b', 'side', commits['first']);
  await git('commit', '--quiet', '--allow-empty', '--message', 'side');
  commits['side'] = await git('rev-parse', 'HEAD');
  repository = await openRepository(world.host, world.cluster, world.credentials);
});
after(async () => { await world.close(); });

/** The host, with a kubectl that knows Kustomizations at these commits. */
function withApplied(...applied: readonly (string | undefined)[]): Host {
  const items = applied.map((commit, index) => ({
    kind: 'Kustomization', metadata: { name: `k-${index}`, namespace: 'flux-system' }, spec: { sourceRef: { kind: 'GitRepository', name: 'flux-system' } },
    status: commit === undefined ? {} : { lastAppliedRevision: `main@sha1:${commit}` },
  }));
  const elsewhere = { kind: 'Kustomization', metadata: { name: 'other', namespace: 'flux-system' }, spec: { sourceRef: { kind: 'OCIRepository', name: 'other' } }, status: { lastAppliedRevision: `main@sha1:${'f'.repeat(40)}` } };
  return { ...world.host, run: async (command) => (command.program === 'kubectl' ? { exitCode: 0, stdout: JSON.stringify({ kind: 'List', items: [...items, elsewhere] }), stderr: '' } : world.host.run(command)) };
}

const judged = (...applied: readonly (string | undefined)[]) => requireGitNotOlder(withApplied(...applied), world.cluster, 'kubeconfig', repository);

test('git at or ahead of what the cluster applied is not older, and says how it stands', async () => {
  assert.match(await judged(commits['third']), /where the cluster is/);
  assert.match(await judged(commits['first'], commits['third'], undefined), /ahead of the cluster/);
  assert.match(await judged(), /nothing of git was applied/);
});

test('git behind, on another line or without the commit is older: refused with what each applied and what to do', async () => {
  for (const commit of [commits['side']!, 'a'.repeat(40)]) {
    await assert.rejects(judged(commits['third'], commit), (error: { code: string; message: string; hint: string }) => {
      assert.equal(error.code, 'E_FLUX_GIT_OLDER');
      assert.match(error.message, new RegExp(`k-1 applied ${commit.slice(0, 8)}.*git does not have`));
      assert.match(error.hint, /flux resume kustomization/);
      return true;
    });
  }
});

test('a branch that was set back is told as older, one that was rewritten as diverged', async () => {
  await git('push', '--quiet', world.bare, 'side:refs/heads/side');
  await world.host.run({ program: 'git', args: ['update-ref', 'refs/heads/main', commits['second']!], cwd: world.bare });
  const back = await openRepository(world.host, world.cluster, world.credentials);
  assert.equal(await standingOf(world.host, back, commits['third']!), 'older');
  assert.equal(await standingOf(world.host, back, commits['first']!), 'newer');
  await world.host.run({ program: 'git', args: ['update-ref', 'refs/heads/main', commits['side']!], cwd: world.bare });
  const rewritten = await openRepository(world.host, world.cluster, world.credentials);
  assert.equal(await standingOf(world.host, rewritten, commits['third']!), 'diverged');
});
