import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { parse } from 'yaml';
import { commitOwn } from '../../../gitops/secrets/own-git.ts';
import { setSecret } from '../../../gitops/secrets/set.ts';
import { secretUsers } from '../../../gitops/secrets/users.ts';
import { workTreeFaults } from '../../../gitops/secrets/check.ts';
import type { Command } from '../../../lib/host.ts';
import { recipientsIn, sopsDecrypt } from '../../../lib/sops.ts';
import { desk, type Desk } from './support.ts';

const PATH = 'apps/gandalf/token.sops.yaml';

let own: Desk;
beforeEach(async () => { own = await desk(); });
afterEach(() => own.host.remove());

test('a value becomes a new encrypted Secret, listed for Flux, and who uses it is known', async () => {
  const homelab = await own.open();
  const done = await setSecret(own.host, homelab, { path: PATH, key: 'token', value: 'canary-value-1' });
  assert.deepEqual(done, { paths: [PATH, 'apps/gandalf/kustomization.yaml'], created: true, secret: { name: 'token', namespace: 'podinfo' } });
  const text = readFileSync(join(own.root, PATH), 'utf8');
  assert.doesNotMatch(text, /canary-value-1/);
  assert.deepEqual(recipientsIn(text), ['gandalf', 'laptop', 'paper'].map((name) => own.keys[name]?.recipient));
  assert.match(readFileSync(join(own.root, 'apps/gandalf/kustomization.yaml'), 'utf8'), /- deployment.yaml # the app\n {2}- token.sops.yaml/);
  const plain: unknown = parse(await sopsDecrypt(own.host, join(own.root, PATH)));
  assert.deepEqual(plain, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'token', namespace: 'podinfo' }, type: 'Opaque', stringData: { token: 'canary-value-1' } });
  assert.deepEqual(await secretUsers(own.host, homelab, 'token'), [{ kind: 'Deployment', name: 'podinfo', path: 'apps/gandalf/deployment.yaml' }]);
  assert.deepEqual(await workTreeFaults(own.host, homelab), []);
});

test('a changed value changes that value and the seal alone; the same value changes nothing; the value is in no argv', async () => {
  const commands: Command[] = [];
  const host = { ...own.host, run: (command: Command) => { commands.push(command); return own.host.run(command); } };
  const homelab = await own.open();
  await setSecret(host, homelab, { path: PATH, key: 'token', value: 'canary-value-1' });
  await setSecret(host, homelab, { path: PATH, key: 'other', value: 'canary "quoted"\nlines: 2' });
  const before = readFileSync(join(own.root, PATH), 'utf8');
  assert.deepEqual((await setSecret(host, homelab, { path: PATH, key: 'token', value: 'canary-value-2' })).paths, [PATH]);
  const after = readFileSync(join(own.root, PATH), 'utf8');
  const differing = after.split('\n').filter((line, index) => line !== before.split('\n')[index]).map((line) => line.trim().split(':')[0]);
  assert.deepEqual(differing.filter((key) => key !== 'lastmodified'), ['token', 'mac']);
  assert.deepEqual((parse(await sopsDecrypt(host, join(own.root, PATH))) as { stringData: unknown }).stringData, { token: 'canary-value-2', other: 'canary "quoted"\nlines: 2' });
  assert.deepEqual((await setSecret(host, homelab, { path: PATH, key: 'stringData.token', value: 'canary-value-2' })).paths, []);
  assert.equal(readFileSync(join(own.root, PATH), 'utf8'), after);
  assert.doesNotMatch(JSON.stringify(commands.map((command) => command.args)), /canary/);
});

test('under machines/ a plain map is made, for that cluster alone', async () => {
  const homelab = await own.open();
  await setSecret(own.host, homelab, { path: 'machines/gandalf/extra.sops.yaml', key: 'nas.token', value: 'canary-value-3' });
  assert.deepEqual(parse(await sopsDecrypt(own.host, join(own.root, 'machines/gandalf/extra.sops.yaml'))), { nas: { token: 'canary-value-3' } });
});

test('only what was set is committed, not what else is staged', async () => {
  const homelab = await own.open();
  own.write('notes.txt', 'staged by the owner');
  own.git('add', 'notes.txt');
  const done = await setSecret(own.host, homelab, { path: PATH, key: 'token', value: 'canary-value-1' });
  const commit = await commitOwn(own.host, own.root, 'Set token', done.paths);
  assert.match(commit ?? '', /^[0-9a-f]{40}$/);
  assert.deepEqual(own.git('show', '--name-only', '--format=').trim().split('\n').sort(), ['apps/gandalf/kustomization.yaml', PATH]);
  assert.equal(own.git('diff', '--cached', '--name-only').trim(), 'notes.txt');
  assert.equal(await commitOwn(own.host, own.root, 'Set token', done.paths), undefined);
});

test('a file in the clear, a name that is no secret’s, a Secret without namespace, a key under data: each refused', async () => {
  const homelab = await own.open();
  const set = (path: string, key = 'token') => setSecret(own.host, homelab, { path, key, value: 'canary-value-1' });
  await assert.rejects(set('apps/gandalf/deployment.yaml'), { code: 'E_SECRETS_PLAIN' });
  await assert.rejects(set('apps/gandalf/token.yaml'), { code: 'E_SECRETS_NAME' });
  await assert.rejects(set('apps/base/token.sops.yaml'), { code: 'E_SECRETS_NAMESPACE' });
  await set(PATH);
  await assert.rejects(set(PATH, 'data.token'), { code: 'E_SECRETS_KEY' });
  await assert.rejects(set(PATH, 'sops'), { code: 'E_SECRETS_KEY' });
});
