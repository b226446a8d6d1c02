import assert from 'node:assert/strict';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { forgiveHistory, historyFaults, stagedFaults, workTreeFaults } from '../../../gitops/secrets/check.ts';
import { recipientsFor } from '../../../gitops/secrets/homelab.ts';
import { rekeyAll } from '../../../gitops/secrets/rekey.ts';
import { setSecret } from '../../../gitops/secrets/set.ts';
import type { FirstlightError } from '../../../lib/errors.ts';
import { sopsEncrypt } from '../../../lib/sops.ts';
import { desk, type Desk } from './support.ts';

const PLAIN = 'apiVersion: v1\nkind: Secret\nmetadata: { name: token }\nstringData:\n  token: canary-plain\n';
const codes = (faults: readonly FirstlightError[]): string[] => faults.map((fault) => `${fault.code} ${fault.where.file}${fault.where.line === undefined ? '' : `:${fault.where.line}`}`);

let own: Desk;
beforeEach(async () => { own = await desk(['gandalf', 'dev']); });
afterEach(() => own.host.remove());

test('a Secret in the clear, a private key, a *.sops.yaml that is plain: all told at once, by file and line, and no value', async () => {
  own.write('apps/base/token.yaml', PLAIN);
  own.write('apps/base/list.yaml', `kind: ConfigMap\n---\n${PLAIN}`);
  own.write('apps/base/empty.sops.yaml', 'token: canary-plain\n');
  own.write('infrastructure/key.pem', '\n-----BEGIN OPENSSH PRIVATE KEY-----\ncanary-plain\n');
  own.write('notes/age.txt', `AGE-SECRET-KEY-1${'Q'.repeat(58)}\n`);
  own.write('apps/base/fine.yaml', 'kind: Deployment\nspec: { secretRef: { kind: Secret, name: token } }\n');
  own.write('.gitignore', 'ignored/\n');
  own.write('ignored/token.yaml', PLAIN);
  const faults = await workTreeFaults(own.host, await own.open());
  assert.deepEqual(codes(faults), [
    'E_SECRETS_PLAIN apps/base/empty.sops.yaml:1', 'E_SECRETS_PLAIN apps/base/list.yaml:7', 'E_SECRETS_PLAIN apps/base/token.yaml:5',
    'E_SECRETS_PLAIN infrastructure/key.pem:2', 'E_SECRETS_PLAIN notes/age.txt:1',
  ]);
  assert.doesNotMatch(JSON.stringify(faults.map((fault) => [fault.message, fault.hint])), /canary/);
});

test('a value beside the encrypted ones is told', async () => {
  const homelab = await own.open();
  await setSecret(own.host, homelab, { path: 'apps/gandalf/token.sops.yaml', key: 'token', value: 'canary-1' });
  const text = readFileSync(join(own.root, 'apps/gandalf/token.sops.yaml'), 'utf8');
  own.write('apps/gandalf/token.sops.yaml', text.replace('stringData:\n', 'stringData:\n    added: canary-by-hand\n'));
  assert.deepEqual(codes(await workTreeFaults(own.host, homelab)), ['E_SECRETS_HALF apps/gandalf/token.sops.yaml']);
});

test('a cluster’s files are for its own recipients, shared ones for all; wrong ones are told and mended by encrypting anew', async () => {
  const homelab = await own.open();
  const names = (path: string): string[] => recipientsFor(homelab, path).map((one) => one.name);
  assert.deepEqual(names('apps/dev/x.sops.yaml'), ['dev', 'laptop', 'paper']);
  assert.deepEqual(names('machines/gandalf/x.sops.yaml'), ['gandalf', 'laptop', 'paper']);
  assert.deepEqual(names('infrastructure/x.sops.yaml').sort(), ['dev', 'gandalf', 'laptop', 'paper']);
  await setSecret(own.host, homelab, { path: 'apps/gandalf/good.sops.yaml', key: 'token', value: 'canary-1' });
  const recipients = ['dev', 'laptop'].map((name) => own.keys[name]?.recipient ?? '');
  own.write('apps/gandalf/wrong.sops.yaml', await sopsEncrypt(own.host, { plain: PLAIN, path: 'wrong', recipients, encryptedRegex: '^(data|stringData)$' }));
  const [fault, ...others] = await workTreeFaults(own.host, homelab);
  assert.deepEqual([codes([fault!]), others], [['E_SECRETS_RECIPIENTS apps/gandalf/wrong.sops.yaml'], []]);
  assert.match(fault?.message ?? '', /gandalf can't open it; paper can't open it; age1.{8}… can, and is no recipient/);
  assert.deepEqual(await rekeyAll(own.host, homelab), ['apps/gandalf/wrong.sops.yaml']);
  assert.deepEqual(await workTreeFaults(own.host, homelab), []);
  assert.deepEqual(await rekeyAll(own.host, homelab), []);
});

test('one cluster’s NAS account where all clusters read is told, and never encrypted for them all', async () => {
  const path = 'infrastructure/controllers/synology-csi/client-info.sops.yaml';
  const recipients = ['gandalf', 'laptop'].map((name) => own.keys[name]?.recipient ?? '');
  own.write(path, await sopsEncrypt(own.host, { plain: PLAIN, path, recipients, encryptedRegex: '^(data|stringData)$' }));
  const [fault] = await workTreeFaults(own.host, await own.open());
  assert.equal(fault?.code, 'E_SECRETS_SHARED');
  assert.match(fault?.hint ?? '', /git mv/);
  await assert.rejects(rekeyAll(own.host, await own.open()), { code: 'E_SECRETS_SHARED' });
});

test('what is staged is judged as it is staged, not as it lies in the work tree', async () => {
  const homelab = await own.open();
  own.write('apps/base/token.yaml', PLAIN);
  own.git('add', 'apps/base/token.yaml');
  own.write('apps/base/token.yaml', 'kind: ConfigMap\n');
  assert.deepEqual(codes(await stagedFaults(own.host, homelab)), ['E_SECRETS_PLAIN apps/base/token.yaml:5']);
});

test('the history since the last clean look is looked through, on all branches, also what was removed again', async () => {
  const homelab = await own.open();
  assert.deepEqual(await historyFaults(own.host, homelab), []);
  own.git('checkout', '--quiet', '-b', 'trial');
  own.write('apps/base/token.yaml', PLAIN);
  own.git('add', '--all');
  own.git('commit', '--quiet', '--message', 'oops');
  const commit = own.git('rev-parse', '--short=10', 'HEAD').trim();
  own.git('rm', '--quiet', 'apps/base/token.yaml');
  own.git('commit', '--quiet', '--message', 'gone');
  own.git('checkout', '--quiet', 'main');
  const faults = await historyFaults(own.host, homelab);
  assert.deepEqual(codes(faults), ['E_SECRETS_HISTORY apps/base/token.yaml:5']);
  assert.match(faults[0]?.message ?? '', new RegExp(`commit ${commit} holds a Secret in the clear`));
  assert.deepEqual(codes(await historyFaults(own.host, homelab)), ['E_SECRETS_HISTORY apps/base/token.yaml:5']);
  await forgiveHistory(own.host, homelab);
  assert.deepEqual(await historyFaults(own.host, homelab), []);
});

test('names with blanks, quotes and other letters, a merge that brought a secret in itself, a link and a submodule don’t mislead the look', async () => {
  const homelab = await own.open();
  const path = 'apps/base/gehéim "x".yaml';
  own.git('checkout', '--quiet', '-b', 'side');
  own.write(path, PLAIN);
  own.git('add', '--all');
  assert.deepEqual(codes(await stagedFaults(own.host, homelab)), [`E_SECRETS_PLAIN ${path}:5`]);
  own.git('commit', '--quiet', '--message', 'oops');
  own.git('rm', '--quiet', path);
  own.git('commit', '--quiet', '--message', 'gone');
  own.git('checkout', '--quiet', 'main');
  own.write('notes', 'x');
  own.git('add', '--all');
  own.git('commit', '--quiet', '--message', 'other');
  own.git('merge', '--quiet', '--no-ff', '--no-commit', 'side');
  own.write('apps/base/evil.yaml', PLAIN.replace('canary', 'other'));
  symlinkSync('../../apps/gandalf/deployment.yaml', join(own.root, 'apps/base/link.sops.yaml'));
  own.git('add', '--all');
  own.git('update-index', '--add', '--cacheinfo', `160000,${own.git('rev-parse', 'HEAD').trim()},apps/sub.sops.yaml`);
  assert.deepEqual(codes(await stagedFaults(own.host, homelab)), ['E_SECRETS_PLAIN apps/base/evil.yaml:5']);
  own.git('commit', '--quiet', '--message', 'merge');
  assert.deepEqual(codes(await historyFaults(own.host, homelab)).sort(), ['E_SECRETS_HISTORY apps/base/evil.yaml:5', `E_SECRETS_HISTORY ${path}:5`]);
  assert.deepEqual(codes(await workTreeFaults(own.host, homelab)), ['E_SECRETS_PLAIN apps/base/evil.yaml:5']);
});
