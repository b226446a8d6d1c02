import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { archiveTree, fetchRef, type Checkout } from '../../../lab/kubernetes/source/git-checkout.ts';
import { refOf, type GitRepository } from '../../../lab/kubernetes/source/git-repository.ts';
import { durationMs, failedStatus, SourceFailure, storedStatus } from '../../../lab/kubernetes/source/status.ts';

function repository(spec: object, status: NonNullable<GitRepository['status']> = {}): GitRepository {
  return {
    metadata: { name: 'flux-system', namespace: 'flux-system', generation: 3, annotations: { 'reconcile.fluxcd.io/requestedAt': 'now' } },
    spec: { url: 'ssh://git@example.test/homelab.git', interval: '1m0s', ...spec }, status,
  };
}

test('durations are read as Go writes them', () => {
  assert.equal(durationMs('1m0s'), 60_000);
  assert.equal(durationMs('1h30m'), 5_400_000);
  assert.equal(durationMs('1.5s'), 1_500);
  assert.equal(durationMs('250ms'), 250);
});

test('the ref is chosen as source-controller does, and what the stand-in lacks is told', () => {
  assert.deepEqual(refOf(repository({})), { kind: 'branch', value: 'master' });
  assert.deepEqual(refOf(repository({ ref: { branch: 'main' } })), { kind: 'branch', value: 'main' });
  assert.deepEqual(refOf(repository({ ref: { branch: 'main', tag: 'v1' } })), { kind: 'tag', value: 'v1' });
  assert.deepEqual(refOf(repository({ ref: { branch: 'main', commit: 'abc' } })), { kind: 'commit', value: 'abc', branch: 'main' });
  assert.throws(() => refOf(repository({ ref: { semver: '>=1' }, verify: { mode: 'HEAD' } })), /spec\.verify, spec\.ref\.semver/);
});

test('a status tells the generation and the request it answers, and keeps the time of a condition that stays', () => {
  const since = '2026-01-01T00:00:00Z';
  const before = { conditions: [{ type: 'Ready', status: 'True' as const, reason: 'Succeeded', message: '', observedGeneration: 2, lastTransitionTime: since }] };
  const { status } = storedStatus(repository({}, before), 'Succeeded', "stored artifact for revision 'main@sha1:abc'", undefined) as { status: Record<string, unknown> };
  assert.equal(status['observedGeneration'], 3);
  assert.equal(status['lastHandledReconcileAt'], 'now');
  assert.ok(!('artifact' in status));
  assert.deepEqual((status['conditions'] as unknown[])[0], {
    type: 'Ready', status: 'True', reason: 'Succeeded', message: "stored artifact for revision 'main@sha1:abc'", observedGeneration: 3, lastTransitionTime: since,
  });
  const failed = failedStatus(repository({}, before), new SourceFailure('GitOperationFailed', 'no')) as { status: { conditions: { type: string; lastTransitionTime: string }[] } };
  assert.deepEqual(failed.status.conditions.map((condition) => condition.type), ['Ready', 'FetchFailed']);
  assert.notEqual(failed.status.conditions[0]?.lastTransitionTime, since);
});

test('the archive of a commit has no time of its own: made again it fits the digest that controllers know', async () => {
  const root = mkdtempSync(join(tmpdir(), 'firstlight-archive-'));
  const [work, folder, path] = [join(root, 'work'), join(root, 'checkout'), process.env['PATH'] ?? ''];
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: work, env: { PATH: path, HOME: root, GIT_AUTHOR_NAME: 'o', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'o', GIT_COMMITTER_EMAIL: 'o@localhost' }, encoding: 'utf8' });
  try {
    mkdirSync(work);
    git('init', '--quiet', '--initial-branch=main', '.');
    writeFileSync(join(work, 'namespace.yaml'), 'kind: Namespace\n');
    git('add', '.');
    git('commit', '--quiet', '--message', 'first');
    const checkout: Checkout = { url: work, ref: { kind: 'branch', value: 'main' }, timeoutMs: 20_000, path, signal: new AbortController().signal, folder };
    const { commit } = await fetchRef(checkout);
    await archiveTree(checkout, commit, join(root, 'artifact.tar.gz'));
    const listed = execFileSync('tar', ['--utc', '-tvzf', join(root, 'artifact.tar.gz')], { encoding: 'utf8' });
    assert.match(listed, /1970-01-02 00:00 namespace\.yaml\n$/);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
