import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ClientSecretCredential } from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import { CLIENT, CLIENT_SECRET, startVaultWorld, TENANT, type VaultWorld } from './world.ts';

// The lab's vault is held to Azure's published REST API by Azure's own client: every call here is one of it.

let world: VaultWorld;
let client: SecretClient;
before(async () => {
  world = await startVaultWorld('127.100.10.2');
  const tlsOptions = { ca: world.lab.ca };
  const credential = new ClientSecretCredential(TENANT, CLIENT, CLIENT_SECRET, { tlsOptions, authorityHost: world.lab.url, disableInstanceDiscovery: true });
  client = new SecretClient(world.lab.url, credential, { tlsOptions, disableChallengeResourceVerification: true });
});
after(async () => { await world.close(); });

const refused = (work: Promise<unknown>): Promise<string> => work.then(() => 'done', (error: { statusCode?: number; code?: string; details?: { error?: { innerError?: { code?: string } } } }) => `${error.statusCode} ${error.code} ${error.details?.error?.innerError?.code ?? ''}`.trim());

test('the first call is challenged, the next ones bring their token', async () => {
  await client.setSecret('first', 'one');
  await client.getSecret('first');
  assert.deepEqual(world.lab.requests.map(({ method, status }) => `${method} ${status}`), ['PUT 401', 'GET 200', 'POST 200', 'PUT 200', 'GET 200']);
  assert.match(world.lab.requests[1]!.path, /openid-configuration$/);
});

test('each set makes a version; properties of one are changed without another', async () => {
  const { properties } = await client.setSecret('first', 'two', { contentType: 'text/plain', tags: { for: 'test' }, expiresOn: new Date(2_000_000_000_000) });
  const versions: (string | undefined)[] = [];
  for await (const each of client.listPropertiesOfSecretVersions('first')) versions.push(each.version);
  assert.equal(versions.length, 2);
  assert.equal((await client.getSecret('first', { version: versions[0]! })).value, 'one');
  await client.updateSecretProperties('first', properties.version!, { enabled: false });
  assert.equal(await refused(client.getSecret('first')), '403 Forbidden SecretDisabled');
  await client.updateSecretProperties('first', properties.version!, { enabled: true });
  const now = await client.getSecret('first');
  assert.deepEqual([now.value, now.properties.contentType, now.properties.tags, now.properties.expiresOn?.getTime()], ['two', 'text/plain', { for: 'test' }, 2_000_000_000_000]);
  assert.equal(await refused(client.getSecret('first', { version: '0'.repeat(32) })), '404 SecretNotFound');
});

test('lists come in pages', async () => {
  for (let index = 0; index < 60; index += 1) world.lab.store.set(`many-${String(index).padStart(2, '0')}`, { value: 'x' });
  const before = world.lab.requests.length;
  const names: string[] = [];
  for await (const each of client.listPropertiesOfSecrets()) names.push(each.name);
  assert.equal(names.filter((name) => name.startsWith('many-')).length, 60);
  assert.equal(new Set(names).size, names.length);
  assert.equal(world.lab.requests.length - before, 3);
});

test('a deleted secret keeps its name until it is recovered or purged', async () => {
  const deletion = await client.beginDeleteSecret('first', { intervalInMs: 1 });
  const deleted = await deletion.pollUntilDone();
  assert.ok(deleted.scheduledPurgeDate! > deleted.deletedOn!);
  assert.equal(await refused(client.getSecret('first')), '404 SecretNotFound');
  assert.equal(await refused(client.setSecret('first', 'three')), '409 Conflict ObjectIsDeletedButRecoverable');
  await (await client.beginRecoverDeletedSecret('first', { intervalInMs: 1 })).pollUntilDone();
  assert.equal((await client.getSecret('first')).value, 'two');
  await (await client.beginDeleteSecret('first', { intervalInMs: 1 })).pollUntilDone();
  await client.purgeDeletedSecret('first');
  assert.equal(await refused(client.getDeletedSecret('first')), '404 SecretNotFound');
  await client.setSecret('first', 'fresh');
});

test('what the API does not take is refused as it says', async () => {
  assert.equal(await refused(client.setSecret('with_underscore', 'x')), '400 BadParameter');
  assert.equal(await refused(client.setSecret('long', 'x'.repeat(26 * 1024))), '400 BadParameter');
  const old = new SecretClient(world.lab.url, new ClientSecretCredential(TENANT, CLIENT, CLIENT_SECRET, { tlsOptions: { ca: world.lab.ca }, authorityHost: world.lab.url, disableInstanceDiscovery: true }),
    { tlsOptions: { ca: world.lab.ca }, disableChallengeResourceVerification: true, serviceVersion: '6.0' as '7.0' });
  assert.equal(await refused(old.getSecret('first')), '400 BadParameter');
});

test('a passing fault of the vault is tried again', async () => {
  world.lab.fault = { kind: 'throttle', retryAfter: 0, times: 2 };
  assert.equal((await client.getSecret('first')).value, 'fresh');
  assert.equal(world.lab.fault, undefined);
});
