import assert from 'node:assert/strict';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { parse } from 'yaml';
import { commitOwn } from '../../../gitops/secrets/own-git.ts';
import { secretFiles } from '../../../gitops/secrets/homelab.ts';
import { secretContent } from '../../../gitops/secrets/manifest.ts';
import { setSecret } from '../../../gitops/secrets/set.ts';
import { secretUsers } from '../../../gitops/secrets/users.ts';
import { workTreeFaults } from '../../../gitops/secrets/check.ts';
import type { Command } from '../../../lib/host.ts';
import { recipientsIn, sopsDecrypt, sopsEncrypt } from '../../../lib/sops.ts';
import { desk, type Desk } from './support.ts';

const PATH = 'apps/gandalf/token.sops.yaml';

let own: Desk;
beforeEach(async () => { own = await desk(); });
afterEach(() => own.host.remove());

test('a value becomes a new encrypted Secret, listed for Flux, and who uses it is known', async () => {
  const homelab = await own.open();
  const done = await setSecret(own.host, homelab, { path: PATH, key: 'token', value: 'canary-value-1' });
  assert.deepEqual(done, { changed: true, created: true, paths: [PATH, 'apps/gandalf/kustomization.yaml'], secret: { name: 'token', namespace: 'podinfo' } });
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
  assert.equal((await setSecret(host, homelab, { path: PATH, key: 'token', value: 'canary-value-2' })).changed, true);
  const after = readFileSync(join(own.root, PATH), 'utf8');
  const differing = after.split('\n').filter((line, index) => line !== before.split('\n')[index]).map((line) => line.trim().split(':')[0]);
  assert.deepEqual(differing.filter((key) => key !== 'lastmodified'), ['token', 'mac']);
  assert.deepEqual((parse(await sopsDecrypt(host, join(own.root, PATH))) as { stringData: unknown }).stringData, { token: 'canary-value-2', other: 'canary "quoted"\nlines: 2' });
  assert.deepEqual((await setSecret(host, homelab, { path: PATH, key: 'stringData.token', value: 'canary-value-2' })).changed, false);
  assert.equal(readFileSync(join(own.root, PATH), 'utf8'), after);
  assert.doesNotMatch(JSON.stringify(commands.map((command) => command.args)), /canary/);
});

test('under machines/ a plain map is made, for that cluster alone', async () => {
  const homelab = await own.open();
  await setSecret(own.host, homelab, { path: 'machines/gandalf/extra.sops.yaml', key: 'nas.token', value: 'canary-value-3' });
  assert.deepEqual(parse(await sopsDecrypt(own.host, join(own.root, 'machines/gandalf/extra.sops.yaml'))), { nas: { token: 'canary-value-3' } });
});

test('in a Secret a name may have dots, and bytes go under data; elsewhere dots nest, quotes hold a name together, lists are counted', async () => {
  const homelab = await own.open();
  const set = (path: string, key: string, value: string | Uint8Array) => setSecret(own.host, homelab, { path, key, value });
  const plain = async (path: string): Promise<Record<string, unknown>> => parse(await sopsDecrypt(own.host, join(own.root, path))) as Record<string, unknown>;
  const bytes = Buffer.from([0, 255, 10, 254]);
  await set(PATH, 'tls.crt', 'canary\n');
  await set(PATH, 'keystore.p12', bytes);
  await set(PATH, 'keystore.p12', bytes.subarray(1));
  await set(PATH, 'data.sops-note', 'canary');
  assert.deepEqual([(await plain(PATH))['stringData'], (await plain(PATH))['data']], [{ 'tls.crt': 'canary\n' }, { 'keystore.p12': bytes.subarray(1).toString('base64'), 'sops-note': Buffer.from('canary').toString('base64') }]);
  const map = 'machines/gandalf/extra.sops.yaml';
  await set(map, 'registries."docker.io".password', 'canary-1');
  await set(map, 'users', 'canary-2');
  assert.deepEqual(await plain(map), { registries: { 'docker.io': { password: 'canary-1' } }, users: 'canary-2' });
  const content = secretContent(map, readFileSync(join(own.root, map), 'utf8'));
  assert.deepEqual(content.kind === 'encrypted' && content.keys.map((key) => key.path), ['registries."docker.io".password', 'users']);
  const recipients = ['gandalf', 'laptop', 'paper'].map((name) => own.keys[name]?.recipient ?? '');
  own.write('machines/gandalf/list.sops.yaml', await sopsEncrypt(own.host, { plain: 'users: [{ name: a }, { name: b }]\n', path: 'x', recipients }));
  await set('machines/gandalf/list.sops.yaml', 'users[1].name', 'canary-3');
  assert.deepEqual(await plain('machines/gandalf/list.sops.yaml'), { users: [{ name: 'a' }, { name: 'canary-3' }] });
  for (const [path, key] of [[PATH, 'a b'], [map, 'a..b'], [map, '"a'], [map, 'sops.mac'], ['machines/gandalf/new.sops.yaml', 'a[0]']]) await assert.rejects(set(path ?? '', key ?? '', 'canary'), { code: 'E_SECRETS_KEY' }, key);
  await assert.rejects(set(PATH, 'tls.crt', bytes), { code: 'E_SECRETS_KEY' });
  await assert.rejects(set(map, 'bytes', bytes), { code: 'E_SECRETS_BINARY' });
});

test('JSON stays JSON; several documents, a link, a value that the file’s rules leave plain: refused, and nothing is written', async () => {
  const homelab = await own.open();
  const recipients = ['gandalf', 'laptop', 'paper'].map((name) => own.keys[name]?.recipient ?? '');
  const sops = async (path: string, plain: string, ...rules: string[]): Promise<void> => {
    const args = ['--config', '/dev/null', 'encrypt', '--filename-override', path, '--age', recipients.join(','), ...rules];
    own.write(path, (await own.host.run({ program: 'sops', args, stdin: plain })).stdout);
  };
  await sops('apps/gandalf/json.sops.json', '{"kind":"Secret","stringData":{"a":"canary-1"}}', '--encrypted-regex', '^(data|stringData)$');
  await setSecret(own.host, homelab, { path: 'apps/gandalf/json.sops.json', key: 'a', value: 'canary-2' });
  const json = JSON.parse(readFileSync(join(own.root, 'apps/gandalf/json.sops.json'), 'utf8')) as { kind: string };
  assert.equal(json.kind, 'Secret');
  assert.deepEqual(parse(await sopsDecrypt(own.host, join(own.root, 'apps/gandalf/json.sops.json'))), { kind: 'Secret', stringData: { a: 'canary-2' } });
  const [several, rules] = ['apps/gandalf/several.sops.yaml', 'apps/gandalf/rules.sops.yaml'];
  await sops(several, 'kind: Secret\nstringData: { a: canary }\n---\nkind: Secret\nstringData: { b: canary }\n', '--encrypted-regex', '^(data|stringData)$');
  await sops(rules, 'kind: HelmRelease\nspec: { values: { password: canary, other_plain: x } }\n', '--encrypted-suffix', 'word');
  symlinkSync('several.sops.yaml', join(own.root, 'apps/gandalf/link.sops.yaml'));
  const before = readFileSync(join(own.root, rules), 'utf8');
  const set = (path: string, key: string): Promise<unknown> => setSecret(own.host, homelab, { path, key, value: 'canary-new' });
  await assert.rejects(set(several, 'b'), { code: 'E_SECRETS_DOCUMENTS' });
  await assert.rejects(set('apps/gandalf/link.sops.yaml', 'b'), { code: 'E_SECRETS_LINK' });
  await assert.rejects(set(rules, 'spec.values.token'), { code: 'E_SOPS_PLAIN' });
  assert.equal(readFileSync(join(own.root, rules), 'utf8'), before);
  await set(rules, 'spec.values.password');
  assert.deepEqual((await secretFiles(own.host, homelab)).map(({ path, content }) => [path, content.kind === 'encrypted' ? [...content.keys.map((key) => key.path), ...content.plainKeys] : content.kind]), [
    ['apps/gandalf/json.sops.json', ['stringData.a']], [rules, ['spec.values.password']], [several, ['stringData.a', 'stringData.b']],
  ]);
  assert.deepEqual(await workTreeFaults(own.host, homelab), []);
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
});
