import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { identityToRecipient } from 'age-encryption';
import { createFacts } from '../../bootstrap/facts.ts';
import { rotateSteps, rotationState } from '../../bootstrap/rotate.ts';
import { readCredentials, writeCredentials } from '../../bootstrap/credentials.ts';
import { secretFiles } from '../../gitops/secrets/homelab.ts';
import { opensAlone } from '../../gitops/secrets/opening.ts';
import { setSecret } from '../../gitops/secrets/set.ts';
import { recipientsIn } from '../../lib/sops.ts';
import { newSshKey } from '../../lib/ssh-key.ts';
import { loadCluster } from '../../nodes/load.ts';
import { startGitHost, type LabGitHost } from '../../lab/git/host.ts';
import { desk, type Desk } from '../gitops/secrets/support.ts';

/** How often a rotation is killed: a few here; `FIRSTLIGHT_KILLS=50 node --test test/bootstrap/rotate.test.ts` for all. */
const KILLS = Number(process.env['FIRSTLIGHT_KILLS'] ?? 3);
const FILES = ['apps/gandalf/token.sops.yaml', 'infrastructure/shared.sops.yaml', 'machines/gandalf/extra.sops.yaml'];

let own: Desk;
let git: LabGitHost;
let outside: string;

before(async () => {
  const [client, server] = [newSshKey(), newSshKey()];
  outside = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
  const bare = join(outside, 'homelab.git');
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare]);
  git = await startGitHost({ address: '127.7.6.1', port: 2222, user: 'git', repositories: outside, authorizedKeys: [client.public], hostKey: server.private });
  own = await desk(['gandalf'], { url: 'ssh://git@127.7.6.1:2222/homelab.git', hostKey: git.hostKey });
  const homelab = await own.open();
  for (const path of FILES) await setSecret(own.host, homelab, { path, key: 'token', value: `canary of ${path}`, namespace: 'default' });
  const cluster = await loadCluster(join(own.root, 'machines/gandalf'));
  await writeCredentials(own.host, cluster, { clusterIdentity: own.keys['gandalf']?.identity ?? '', gitKey: client.private, chap: {} });
  own.write('.sops.yaml', `creation_rules:\n  - path_regex: .*\n    age: ${own.keys['gandalf']?.recipient} # the cluster's\n`);
  own.git('add', '--all');
  own.git('commit', '--quiet', '--message', 'secrets');
  own.git('push', '--quiet', bare, 'main');
  const hook = join(bare, 'hooks/update');
  writeFileSync(hook, '#!/bin/sh\nheld=$(sed \'s/.*"age.agekey":"\\([^"]*\\)".*/\\1/\' ../sops-age.json)\nprintf \'{"head":"%s","held":"%s"}\\n\' "$3" "$held" >> ../story\n');
  chmodSync(hook, 0o755);
  const held = Buffer.from(`${own.keys['gandalf']?.identity}\n`).toString('base64');
  writeFileSync(join(outside, 'sops-age.json'), JSON.stringify({ kind: 'Secret', metadata: { name: 'sops-age' }, data: { 'age.agekey': held } }));
  writeFileSync(join(outside, 'kubeconfig'), '');
});
after(async () => {
  await git.close();
  own.host.remove();
  rmSync(outside, { recursive: true, force: true });
});

/** Runs a rotation, killed after `ms`; gives its exit code (null where it was killed) and what it took. */
async function rotate(ms?: number): Promise<{ code: number | null; took: number; said: string }> {
  const begun = performance.now();
  const run = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL('rotate-run.ts', import.meta.url)), join(own.root, 'machines/gandalf'), join(outside, 'run', String(begun)), join(outside, 'kubeconfig')],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TMPDIR: outside, FAKE_CLUSTER: outside, SOPS_AGE_KEY_FILE: own.host.environment['SOPS_AGE_KEY_FILE'] } });
  let said = '';
  run.stderr.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  const timer = ms === undefined ? undefined : setTimeout(() => run.kill('SIGKILL'), ms);
  const [code] = await once(run, 'exit') as [number | null];
  clearTimeout(timer);
  return { code, took: performance.now() - begun, said };
}

/** Every commit that Flux could see, with what the cluster held then: each must have been one that it could open. */
async function assertNeverShut(): Promise<number> {
  const lines = readFileSync(join(outside, 'story'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { head: string; held: string });
  for (const { head, held } of lines) {
    const identities = Buffer.from(held, 'base64').toString().trim().split('\n');
    const recipients = await Promise.all(identities.map(identityToRecipient));
    for (const path of ['apps/gandalf/token.sops.yaml', 'infrastructure/shared.sops.yaml']) {
      const text = execFileSync('git', ['-C', join(outside, 'homelab.git'), 'show', `${head}:${path}`], { encoding: 'utf8' });
      assert.ok(recipientsIn(text)?.some((one) => recipients.includes(one)), `${path} at ${head} can't be opened by what the cluster held`);
    }
  }
  return lines.length;
}

test(`a rotation killed ${KILLS} times and run again: every file opens with the new key alone, the old opens none, Flux could always decrypt`, async (t) => {
  const cluster = await loadCluster(join(own.root, 'machines/gandalf'));
  const old = own.keys['gandalf']?.identity ?? '';
  // The first is let live, to know how long the others may.
  const first = await rotate();
  assert.equal(first.code, 0, first.said);
  for (let kill = 0; kill < KILLS; kill += 1) await rotate(first.took * Math.random());
  const last = await rotate();
  assert.equal(last.code, 0, last.said);
  const { clusterIdentity, nextClusterIdentity, clusterIdentitySince } = await readCredentials(own.host, await loadCluster(cluster.folder));
  assert.ok(clusterIdentity && clusterIdentitySince && nextClusterIdentity === undefined);
  const files = (await secretFiles(own.host, await own.open())).map((file) => file.path);
  assert.deepEqual(files, [...FILES, 'machines/gandalf/credentials.sops.yaml'].sort());
  for (const path of files) {
    assert.equal(await opensAlone(own.host, join(own.root, path), clusterIdentity), true, path);
    assert.equal(await opensAlone(own.host, join(own.root, path), old), false, path);
  }
  const held = JSON.parse(readFileSync(join(outside, 'sops-age.json'), 'utf8')) as { data: Record<string, string> };
  assert.equal(Buffer.from(held.data['age.agekey'] ?? '', 'base64').toString().trim(), clusterIdentity);
  assert.equal(own.git('status', '--porcelain').trim(), '');
  assert.equal(execFileSync('git', ['-C', join(outside, 'homelab.git'), 'rev-parse', 'main'], { encoding: 'utf8' }), own.git('rev-parse', 'HEAD'));
  assert.match(readFileSync(join(own.root, '.sops.yaml'), 'utf8'), new RegExp(`age: ${await identityToRecipient(clusterIdentity)} # the cluster's`));
  t.diagnostic(`${KILLS} kills within ${Math.round(first.took)} ms; ${await assertNeverShut()} moments looked at`);
});

test('with the cluster’s key lost, a rotation by the owner’s key works', async () => {
  const cluster = await loadCluster(join(own.root, 'machines/gandalf'));
  const { clusterIdentity: lost = '', ...others } = await readCredentials(own.host, cluster);
  await writeCredentials(own.host, cluster, others);
  own.git('commit', '--quiet', '--all', '--message', 'lost');
  const done = await rotate();
  assert.equal(done.code, 0, done.said);
  const { clusterIdentity } = await readCredentials(own.host, await loadCluster(cluster.folder));
  for (const path of FILES) {
    assert.equal(await opensAlone(own.host, join(own.root, path), clusterIdentity ?? ''), true, path);
    assert.equal(await opensAlone(own.host, join(own.root, path), lost), false, path);
  }
});

test('a file for the old key that somebody pushes meanwhile keeps the old key in the cluster, until it is pulled and encrypted anew', async () => {
  const bare = join(outside, 'homelab.git');
  const cluster = await loadCluster(join(own.root, 'machines/gandalf'));
  const path = 'apps/gandalf/late.sops.yaml';
  await setSecret(own.host, await own.open(), { path, key: 'token', value: 'canary-late', namespace: 'default' });
  renameSync(join(own.root, path), join(outside, 'late'));
  own.git('checkout', '--quiet', '--', '.');
  // As soon as the new encryption is at the git host, another commit is on top of it.
  const hook = join(bare, 'hooks/post-receive');
  writeFileSync(hook, `#!/bin/sh\n[ -e ../late ] || exit 0\nexport GIT_INDEX_FILE=$PWD/late.index GIT_AUTHOR_NAME=o GIT_AUTHOR_EMAIL=o@localhost GIT_COMMITTER_NAME=o GIT_COMMITTER_EMAIL=o@localhost
git read-tree main && git update-index --add --cacheinfo 100644,$(git hash-object -w ../late),${path} && git update-ref refs/heads/main $(git commit-tree -p main -m late $(git write-tree)) && rm ../late\n`);
  chmodSync(hook, 0o755);
  const before = (await readCredentials(own.host, cluster)).clusterIdentity ?? '';
  const stopped = await rotate();
  assert.match(stopped.said, /E_ROTATE_OVERTAKEN/);
  const held = (): string => Buffer.from((JSON.parse(readFileSync(join(outside, 'sops-age.json'), 'utf8')) as { data: Record<string, string> }).data['age.agekey'] ?? '', 'base64').toString();
  assert.ok(held().includes(before));
  own.git('pull', '--quiet', bare, 'main');
  const done = await rotate();
  assert.equal(done.code, 0, done.said);
  assert.equal(held().includes(before), false);
  const { clusterIdentity = '' } = await readCredentials(own.host, await loadCluster(cluster.folder));
  assert.equal(await opensAlone(own.host, join(own.root, path), clusterIdentity), true);
  assert.equal(await opensAlone(own.host, join(own.root, path), before), false);
});

test('a cluster that does not answer is told as such', async () => {
  const cluster = await loadCluster(join(own.root, 'machines/gandalf'));
  const [first] = rotateSteps(createFacts(cluster, own.host.scratch), 1_000);
  writeFileSync(join(own.host.scratch, 'kubeconfig'), '');
  const silent = { ...own.host, clock: { now: () => Date.now(), sleep: async () => {} }, run: async () => ({ exitCode: 1, stdout: '', stderr: 'connection refused' }) };
  await assert.rejects(async () => first?.act(silent), { code: 'E_CLUSTER_SILENT' });
});

test('cut off before its last commit a rotation is known as such and the next one makes it; a refused push is told, and loses nothing', async () => {
  const cluster = await loadCluster(join(own.root, 'machines/gandalf'));
  const bare = join(outside, 'homelab.git');
  own.git('reset', '--quiet', '--soft', 'HEAD~1');
  execFileSync('git', ['-C', bare, 'update-ref', 'refs/heads/main', own.git('rev-parse', 'HEAD').trim()]);
  assert.deepEqual([(await rotationState(own.host, cluster)).cutOff, own.git('status', '--porcelain').trim()], [true, 'M  machines/gandalf/credentials.sops.yaml']);
  const hook = join(bare, 'hooks/pre-receive');
  writeFileSync(hook, '#!/bin/sh\necho the branch is protected\nexit 1\n');
  chmodSync(hook, 0o755);
  const refused = await rotate();
  assert.match(refused.said, /the branch is protected/);
  assert.match(refused.said, /E_GIT_PUSH_REFUSED/);
  rmSync(hook);
  const done = await rotate();
  assert.equal(done.code, 0, done.said);
});
