import assert from 'node:assert/strict';
import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
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
function firstlight(words: readonly string[], input = ''): SpawnSyncReturns<string> {
  const env = { ...process.env, SOPS_AGE_KEY_FILE: join(own.host.scratch, 'laptop.age.txt') };
  return spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', cli, '--plain', 'secrets', ...words], { cwd: own.root, encoding: 'utf8', input, env, timeout: 60_000 });
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
});

test('a new offline key is proven from its paper; a key that nobody gave is told; a new laptop is let in by it', async () => {
  const page = join(own.host.scratch, 'escrow.html');
  const made = firstlight(['escrow', '--print', page, '--split', '2-of-3']);
  assert.equal(made.status, 0, made.stderr);
  const lines = [...readFileSync(page, 'utf8').matchAll(/<p class="line">([^<]+)</g)].map((match) => match[1]);
  assert.equal(execFileSync('git', ['status', '--porcelain'], { cwd: own.root, encoding: 'utf8' }), '');
  const proof = firstlight(['escrow', '--verify'], `${lines[0]}\n${lines[2]}\n`);
  assert.match(proof.stderr, /✔ laptop \(owner\) alone opens 1 of 1 files\n✔ paper \(offline\) alone opens 1 of 1 files/);
  assert.match(proof.stderr, /E_ESCROW_UNPROVEN {2}no key was given for gandalf/);
  for (const line of lines) assert.ok(line && !(made.stderr + proof.stderr + proof.stdout).includes(line.split(' ')[4] ?? line));
  // The laptop is lost: a new key goes into cluster.yaml, and the paper lets it in.
  const next = await ageKey(own.host, 'laptop');
  const inventory = join(own.root, 'machines/gandalf/cluster.yaml');
  own.write('machines/gandalf/cluster.yaml', readFileSync(inventory, 'utf8').replace(own.keys['laptop']?.recipient ?? '', next.recipient));
  const update = firstlight(['update', '--with-paper'], `${lines[1]?.toUpperCase()}\n${lines[2]}\n`);
  assert.match(update.stderr, /Encrypted anew: apps\/gandalf\/token\.sops\.yaml/);
  assert.equal(await opensAlone(own.host, join(own.root, PATH), next.identity), true);
});
