import assert from 'node:assert/strict';
import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { Encrypter } from 'age-encryption';
import { opensAlone } from '../../gitops/secrets/opening.ts';
import { ageKey } from '../support/age.ts';
import { desk, type Desk } from '../gitops/secrets/support.ts';

const cli = fileURLToPath(new URL('../../scripts/cli.ts', import.meta.url));
const OWNER = { GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' };
const PATH = 'apps/gandalf/token.sops.yaml';

let own: Desk;
before(async () => { own = await desk(); });
after(() => own.host.remove());

/** One command of the owner's, in his repository, with `input` piped in. GIT_* are taken out of the environment by firstlight: his name is in git's configuration. */
function firstlight(words: readonly string[], input: string | Buffer = '', more: { readonly env?: Record<string, string>; readonly json?: boolean; readonly cwd?: string } = {}): SpawnSyncReturns<string> {
  const env = { ...process.env, SOPS_AGE_KEY_FILE: join(own.host.scratch, 'laptop.age.txt'), ...more.env };
  return spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', cli, more.json ? '--json' : '--plain', 'secrets', ...words], { cwd: more.cwd ?? own.root, encoding: 'utf8', input, env, timeout: 60_000 });
}

test('a value piped in is committed encrypted; it, its key’s age and who uses it are shown, the value nowhere', () => {
  own.git('config', 'user.name', 'owner');
  own.git('config', 'user.email', 'o@localhost');
  const set = firstlight(['set', PATH, 'token'], 'canary-piped-value\n');
  assert.equal(set.status, 0, set.stderr);
  assert.match(set.stderr, /Used by: Deployment podinfo \(apps\/gandalf\/deployment\.yaml\)/);
  assert.equal(own.git('log', '-1', '--format=%s').trim(), `Set token in ${PATH}`);
  const list = firstlight(['list']);
  assert.match(list.stdout, /apps\/gandalf\/token\.sops\.yaml {2}\(gandalf; 3 can open it\)\n {2}stringData\.token +today/);
  assert.equal(firstlight(['check']).status, 0);
  assert.equal(firstlight(['rotate', '--values', '--days', '0']).status, 2);
  assert.equal(firstlight(['set', PATH, 'token'], '').status, 1);
  for (const { stdout, stderr } of [set, list]) assert.doesNotMatch(stdout + stderr, /canary/);
});

test('the hook stops a commit with a Secret in the clear', () => {
  assert.equal(firstlight(['check', '--hook']).status, 0);
  own.write('apps/base/token.yaml', 'kind: Secret\nstringData: { token: canary-in-the-clear }\n');
  own.git('add', 'apps/base/token.yaml');
  const commit = spawnSync('git', ['commit', '--message', 'oops'], { cwd: own.root, encoding: 'utf8', env: { ...process.env, ...OWNER } });
  assert.notEqual(commit.status, 0);
  assert.match(commit.stderr, /E_SECRETS_PLAIN.*apps\/base\/token\.yaml/);
  assert.doesNotMatch(commit.stderr, /canary/);
  own.git('rm', '--quiet', '--force', 'apps/base/token.yaml');
  // `git commit -a` has the hook look at another index than the usual one.
  own.write('apps/gandalf/deployment.yaml', 'kind: Secret\nstringData: { token: canary-in-the-clear }\n');
  for (const words of [['--all'], ['--', 'apps/gandalf/deployment.yaml']]) {
    const all = spawnSync('git', ['commit', '--message', 'oops', ...words], { cwd: own.root, encoding: 'utf8', env: { ...process.env, ...OWNER } });
    assert.notEqual(all.status, 0, words.join(' '));
    assert.match(all.stderr, /E_SECRETS_PLAIN.*apps\/gandalf\/deployment\.yaml/);
  }
  own.git('checkout', '--quiet', '--', 'apps/gandalf/deployment.yaml');
});

test('a homelab in a folder of a larger repository has its hook too; a hooks folder that all repositories share is left alone', () => {
  const larger = join(own.host.scratch, 'larger');
  execFileSync('git', ['clone', '--quiet', own.root, join(larger, 'it\'s home')]);
  execFileSync('rm', ['-rf', join(larger, 'it\'s home/.git')]);
  execFileSync('git', ['init', '--quiet', larger]);
  const git = (...words: string[]): SpawnSyncReturns<string> => spawnSync('git', words, { cwd: larger, encoding: 'utf8', env: { ...process.env, ...OWNER } });
  const cwd = join(larger, 'it\'s home');
  git('config', 'core.hooksPath', join(own.host.scratch, 'shared'));
  assert.match(firstlight(['check', '--hook'], '', { cwd }).stderr, /E_SECRETS_HOOK/);
  git('config', '--unset', 'core.hooksPath');
  const hook = firstlight(['check', '--hook'], '', { cwd, json: true });
  assert.equal(hook.status, 0, hook.stderr);
  writeFileSync(join(larger, 'it\'s home/apps/token.yaml'), 'kind: Secret\nstringData: { token: canary }\n');
  git('add', '--all');
  assert.match(git('commit', '--message', 'all').stderr, /E_SECRETS_PLAIN/);
  git('rm', '--quiet', '--force', 'it\'s home/apps/token.yaml');
  assert.equal(git('commit', '--message', 'all').status, 0);
});

test('each change prints a line of data; cut off before its commit it is committed by the same command; bytes, edits, no branch, a merge', () => {
  own.git('config', 'user.name', 'owner');
  own.git('config', 'user.email', 'o@localhost');
  const data = (run: SpawnSyncReturns<string>, code: string): Record<string, unknown> | undefined => run.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line) as { code: string; data?: Record<string, unknown> }).find((event) => event.code === code)?.data;
  const bytes = 'apps/gandalf/bytes.sops.yaml';
  const set = firstlight(['set', bytes, 'key.der'], Buffer.from([0, 255]), { json: true });
  assert.deepEqual([data(set, 'secrets.set')?.['changed'], String(data(set, 'secrets.set')?.['commit']).length], [true, 40], set.stderr);
  own.git('reset', '--quiet', '--soft', 'HEAD~1');
  const again = firstlight(['set', bytes, 'key.der'], Buffer.from([0, 255]), { json: true });
  assert.deepEqual([data(again, 'secrets.set')?.['changed'], own.git('status', '--porcelain')], [false, '']);
  const editor = join(own.host.scratch, 'editor');
  writeFileSync(editor, '#!/bin/sh\nsed -i "s/key.der/cert.der/" "$1"\n', { mode: 0o755 });
  const edited = firstlight(['edit', bytes], '', { json: true, env: { EDITOR: editor } });
  assert.match(String(data(edited, 'secrets.edited')?.['commit']), /^[0-9a-f]{40}$/, edited.stderr);
  assert.match(readFileSync(join(own.root, bytes), 'utf8'), /cert\.der: ENC/);
  assert.equal(data(firstlight(['update'], '', { json: true }), 'secrets.updated')?.['commit'], undefined);
  assert.match(firstlight(['edit', 'apps/gandalf/none.sops.yaml'], '', { env: { EDITOR: editor } }).stderr, /E_SOPS_MISSING[\s\S]*secrets set/);
  own.git('checkout', '--quiet', '--detach');
  assert.match(firstlight(['set', bytes, 'x'], 'canary-x').stderr, /E_SECRETS_BRANCH[\s\S]*git switch/);
  own.git('checkout', '--quiet', 'main');
  writeFileSync(join(own.root, '.git/MERGE_HEAD'), own.git('rev-parse', 'HEAD'));
  assert.match(firstlight(['set', bytes, 'x'], 'canary-x').stderr, /E_SECRETS_MERGE/);
  rmSync(join(own.root, '.git/MERGE_HEAD'));
  assert.equal(own.git('status', '--porcelain'), '');
});

test('a key file under a passphrase, and no terminal: told, and what is piped in is not taken for the passphrase', async () => {
  const encrypter = new Encrypter();
  encrypter.setPassphrase('correct horse');
  encrypter.setScryptWorkFactor(10);
  const file = join(own.host.scratch, 'locked.age');
  writeFileSync(file, await encrypter.encrypt(`${own.keys['laptop']?.identity}\n`));
  const run = spawnSync('setsid', ['--wait', process.execPath, cli, '--plain', 'secrets', 'set', PATH, 'token'], { cwd: own.root, encoding: 'utf8', input: 'canary-locked', env: { ...process.env, SOPS_AGE_KEY_FILE: file }, timeout: 60_000 });
  assert.equal(run.status, 1);
  assert.match(run.stderr, /E_AGE_LOCKED[\s\S]*SOPS_AGE_KEY_FILE/);
  assert.doesNotMatch(run.stderr + run.stdout, /canary|    at /);
});

test('a new offline key is proven from its paper; a key that nobody gave is told; a new laptop is let in by it', async () => {
  const page = join(own.host.scratch, 'escrow.html');
  const made = firstlight(['escrow', '--print', page, '--split', '2-of-3']);
  assert.equal(made.status, 0, made.stderr);
  const lines = [...readFileSync(page, 'utf8').matchAll(/<p class="line">([^<]+)</g)].map((match) => match[1]);
  assert.equal(execFileSync('git', ['status', '--porcelain'], { cwd: own.root, encoding: 'utf8' }), '');
  const proof = firstlight(['escrow', '--verify'], `${lines[0]}\n${lines[2]}\n`);
  assert.match(proof.stderr, /✔ laptop \(owner\) alone opens 2 of 2 files\n✔ paper \(offline\) alone opens 2 of 2 files/);
  assert.match(proof.stderr, /E_ESCROW_UNPROVEN {2}no key was given for gandalf/);
  for (const line of lines) assert.ok(line && !(made.stderr + proof.stderr + proof.stdout).includes(line.split(' ')[4] ?? line));
  // The laptop is lost: a new key goes into cluster.yaml, and the paper lets it in.
  const next = await ageKey(own.host, 'laptop');
  const inventory = join(own.root, 'machines/gandalf/cluster.yaml');
  own.write('machines/gandalf/cluster.yaml', readFileSync(inventory, 'utf8').replace(own.keys['laptop']?.recipient ?? '', next.recipient));
  const update = firstlight(['update', '--with-paper'], `${lines[1]?.toUpperCase()}\n${lines[2]}\n`);
  assert.match(update.stderr, /Encrypted anew: .*apps\/gandalf\/token\.sops\.yaml/);
  assert.equal(await opensAlone(own.host, join(own.root, PATH), next.identity), true);
});
