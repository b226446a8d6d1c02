import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { parse } from 'yaml';
import { ensureCsiSecret, observeCsiSecret } from '../../gitops/csi-secret.ts';
import { listsResource, withResource } from '../../gitops/kustomization-file.ts';
import { commitFiles, openRepository } from '../../gitops/repository.ts';
import { opensAlone } from '../../gitops/secrets/opening.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { canaries, spoken, startGitWorld, type GitWorld } from './support.ts';

const FILE = 'infrastructure/secrets/gandalf/client-info.sops.yaml';
let world: GitWorld;
before(async () => { world = await startGitWorld('127.31.7.3'); });
after(async () => { await world.close(); });

const open = () => openRepository(world.host, world.cluster, world.credentials);
const observe = async (credentials: Credentials = world.credentials, cluster = world.cluster) => observeCsiSecret(world.host, cluster, credentials, await open());
const ensure = async (credentials: Credentials = world.credentials, cluster = world.cluster) => ensureCsiSecret(world.host, cluster, credentials, await open());

test('missing credentials are encrypted, listed, committed and pushed; then everything is as it should be', async () => {
  const before = await observe();
  assert.equal(before.state, 'needed');
  const { committed, repository } = await ensure();
  assert.equal(committed, true);
  assert.equal(world.git.pushes.length, 1);
  assert.equal((await observe()).state, 'done');
  const text = readFileSync(join(repository.folder, FILE), 'utf8');
  const file = parse(text) as { kind: string; metadata: { name: string; namespace: string }; stringData: Record<string, string>; sops: { age: { recipient: string }[] } };
  assert.deepEqual([file.kind, file.metadata.name, file.metadata.namespace], ['Secret', 'client-info-secret', 'synology-csi']);
  assert.match(file.stringData['client-info.yaml'] ?? '', /^ENC\[/);
  assert.deepEqual(file.sops.age.map((each) => each.recipient), world.cluster.secrets.recipients.map((each) => each.key));
  assert.ok(!text.includes(world.credentials.nasPassword));
  const list = parse(readFileSync(join(repository.folder, 'infrastructure/secrets/gandalf/kustomization.yaml'), 'utf8')) as { resources: string[] };
  assert.deepEqual(list.resources, ['client-info.sops.yaml', '../../controllers/synology-csi']);
});

test('a second time there is no commit', async () => {
  assert.equal((await ensure()).committed, false);
  assert.equal(world.git.pushes.length, 1);
});

test('a changed password, address or recipient is seen and delivered', async () => {
  const changed = { ...world.credentials, nasPassword: 'another-password-1' };
  assert.match(JSON.stringify(await observe(changed)), /other credentials/);
  assert.equal((await ensure(changed)).committed, true);
  assert.equal((await observe(changed)).state, 'done');
  const fewer = { ...world.cluster, secrets: { recipients: [...world.cluster.secrets.recipients, { name: 'paper', role: 'offline' as const, key: 'age1lnu9un0k6eddwvz9zu73h733ul77m483gfzu4s23v7zrmxlnt96qenul40' }] } };
  assert.match(JSON.stringify(await observe(changed, fewer)), /other recipients/);
  await ensure();
  assert.equal((await observe()).state, 'done');
});

test('a file in the clear, altered, or locked to others is seen as such and replaced', async () => {
  const good = readFileSync(join((await open()).folder, FILE), 'utf8');
  for (const [content, says] of [
    ['apiVersion: v1\nkind: Secret\n', /not encrypted/],
    [good.replace('namespace: synology-csi', 'namespace: other'), /changed after it was encrypted|other credentials/],
  ] as const) {
    await commitFiles(world.host, await open(), 'Break it', [{ path: FILE, content }]);
    assert.match(JSON.stringify(await observe()), says);
    await ensure();
    assert.equal((await observe()).state, 'done');
  }
});

test('two clusters in one repository: each has its own account, and neither’s `up` undoes or opens the other’s', async () => {
  const keys = await Promise.all([generateX25519Identity(), generateX25519Identity()]);
  const recipients = await Promise.all(keys.map(identityToRecipient));
  const dev = { ...world.cluster, name: 'dev', folder: join(world.cluster.repository, 'machines/dev'), secrets: { recipients: [
    { name: 'dev', role: 'cluster' as const, key: recipients[0]! }, { name: 'laptop', role: 'owner' as const, key: recipients[1]! }] } };
  const its = { ...world.credentials, clusterIdentity: keys[0]!, nasPassword: 'canary-dev-password-1' };
  await commitFiles(world.host, await open(), 'A second cluster', [
    { path: 'machines/dev/cluster.yaml', content: 'name: dev\n' },
    { path: 'infrastructure/secrets/dev/kustomization.yaml', content: 'apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: []\n' },
  ]);
  await ensure();
  assert.equal((await ensure(its, dev)).committed, true);
  const { folder } = await open();
  assert.deepEqual([(await observe()).state, (await observe(its, dev)).state], ['done', 'done']);
  assert.equal((await ensure()).committed, false);
  const opens = (name: string, identity: string) => opensAlone(world.host, join(folder, `infrastructure/secrets/${name}/client-info.sops.yaml`), identity);
  const own = world.credentials.clusterIdentity;
  assert.deepEqual([await opens('gandalf', own), await opens('dev', keys[0]!), await opens('gandalf', keys[0]!), await opens('dev', own)], [true, true, false, false]);
});

test('a repository of another layout is told what it lacks', async () => {
  const repository = await open();
  await assert.rejects(observeCsiSecret(world.host, world.cluster, world.credentials, { ...repository, folder: join(repository.folder, 'apps') }), { code: 'E_GIT_LAYOUT' });
});

test('no secret was spoken', () => {
  const text = spoken(world);
  for (const secret of canaries(world)) assert.ok(!text.includes(secret));
});

test('a kustomization.yaml keeps its comments when a resource is added', () => {
  const text = '# mine\nkind: Kustomization\nresources:\n  - a.yaml # first\n';
  const more = withResource(text, 'b.yaml', 'k');
  assert.equal(more, '# mine\nkind: Kustomization\nresources:\n  - a.yaml # first\n  - b.yaml\n');
  assert.equal(withResource(more, 'b.yaml', 'k'), more);
  assert.ok(listsResource(withResource('kind: Kustomization\n', 'b.yaml', 'k'), 'b.yaml', 'k'));
  assert.throws(() => listsResource('- just a list\n', 'a', 'k'), { code: 'E_GIT_LAYOUT' });
});
