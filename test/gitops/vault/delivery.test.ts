import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { commitFiles, openRepository } from '../../../gitops/repository.ts';
import { ensureVaultManifests, observeVaultManifests } from '../../../gitops/vault/delivery.ts';
import { ManyErrors } from '../../../lib/errors.ts';
import type { Vault } from '../../../nodes/cluster.ts';
import { CLIENT, CLIENT_SECRET, stored, TENANT } from '../../lab/vault/world.ts';
import { spoken, startGitWorld, type GitWorld } from '../support.ts';

const SECRETS = [stored('token', { path: 'apps/gandalf/app', secret: 'app' }), stored('password', { path: 'apps/gandalf/app', secret: 'app', key: 'password' })];
const vault: Vault = { url: 'https://gandalf.vault.azure.net', tenant: TENANT, clientId: CLIENT, authority: 'https://login.microsoftonline.com', secrets: SECRETS };
let world: GitWorld;
before(async () => { world = await startGitWorld('127.100.4.5'); });
after(async () => { await world.close(); });

const credentials = () => ({ ...world.credentials, vaultClientSecret: CLIENT_SECRET });
const open = () => openRepository(world.host, world.cluster, world.credentials);
const observe = async (change: Partial<Vault> = {}) => observeVaultManifests(world.host, world.cluster, { ...vault, ...change }, credentials(), await open());
const ensure = async (change: Partial<Vault> = {}) => ensureVaultManifests(world.host, world.cluster, { ...vault, ...change }, credentials(), await open());
const file = async (path: string): Promise<string> => readFileSync(join((await open()).folder, path), 'utf8');

test('the section vault alone brings all that External Secrets needs into the repository, and twice is once', async () => {
  assert.equal((await observe()).state, 'needed');
  await ensure();
  assert.deepEqual(await observe(), { state: 'done', detail: 'ClusterSecretStore azure-key-vault, apps/gandalf/app.external.yaml up to date' });
  const pushes = world.git.pushes.length;
  await ensure();
  assert.equal(world.git.pushes.length, pushes);
  const store = parse(await file('infrastructure/vault/gandalf/store.yaml')) as { spec: unknown };
  const ref = (key: string) => ({ name: 'azure-key-vault', namespace: 'external-secrets', key });
  assert.deepEqual(store.spec, { provider: { azurekv: {
    authType: 'ServicePrincipal', vaultUrl: vault.url, tenantId: TENANT, environmentType: 'PublicCloud', authSecretRef: { clientId: ref('clientId'), clientSecret: ref('clientSecret') } } } });
  const external = parse(await file('apps/gandalf/app.external.yaml')) as { metadata: { name: string }; spec: { data: { secretKey: string }[] } };
  assert.deepEqual([external.metadata.name, external.spec.data.map((each) => each.secretKey)], ['app-password-token', ['password', 'token']]);
  assert.match(await file('infrastructure/secrets/gandalf/kustomization.yaml'), /vault\.sops\.yaml[\s\S]*\.\.\/\.\.\/controllers\/external-secrets/);
  assert.match(await file('infrastructure/secrets/gandalf/vault.sops.yaml'), /clientSecret: ENC\[/);
  assert.match(await file('apps/gandalf/kustomization.yaml'), /- app\.external\.yaml/);
});

test('kustomize builds every folder of it', async () => {
  const { folder } = await open();
  for (const [path, wanted] of [['infrastructure/vault/gandalf', /kind: ClusterSecretStore/], ['apps/gandalf', /kind: ExternalSecret/]] as const) {
    assert.match((await world.host.run({ program: 'kubectl', args: ['kustomize', join(folder, path)] })).stdout, wanted);
  }
});

test('another vault, principal or key is seen and delivered, and what the owner added stays', async () => {
  const path = 'apps/gandalf/app.external.yaml';
  await commitFiles(world.host, await open(), 'Refresh sooner', [{ path, content: `${await file(path)}  # mine\n  refreshPolicy: Periodic\n` }]);
  assert.equal((await observe()).state, 'done');
  const other = { url: 'https://other.vault.azure.net', authority: 'https://login.microsoftonline.us', secrets: SECRETS.slice(0, 1) };
  assert.match(JSON.stringify(await observe(other)), /store\.yaml says something else.*app\.external\.yaml says something else/);
  await ensure(other);
  assert.equal((await observe(other)).state, 'done');
  assert.match(await file('infrastructure/vault/gandalf/store.yaml'), /environmentType: USGovernmentCloud/);
  assert.match(await file(path), /name: app-token[\s\S]*# mine\n {2}refreshPolicy: Periodic/);
});

test('a secret that the repository keeps elsewhere than the inventory says is told, all of them at once', async () => {
  const error = await observe({ secrets: [{ ...SECRETS[0]!, store: 'sops' }, { ...SECRETS[1]!, store: 'sops', key: 'nowhere', path: 'apps/gandalf/other' }] }).catch((each: unknown) => each);
  assert.ok(error instanceof ManyErrors);
  assert.deepEqual(error.problems.map((each) => [each.code, each.where.file]), [['E_VAULT_STORE', 'apps/gandalf/app.external.yaml'], ['E_VAULT_STORE', 'apps/gandalf/other.sops.yaml']]);
  assert.match(error.problems[0]!.hint, /firstlight secrets move apps\/gandalf\/app\.sops\.yaml token --to sops/);
});

test('no secret was spoken', () => assert.doesNotMatch(spoken(world), /canary/));
