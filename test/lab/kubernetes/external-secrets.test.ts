import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { openVault } from '../../../gitops/vault/client.ts';
import { clusterSecretStore, externalSecret, principalSecret } from '../../../gitops/vault/manifests.ts';
import { observeSynced, refreshNow } from '../../../gitops/vault/state.ts';
import type { Vault } from '../../../nodes/cluster.ts';
import { CLIENT_SECRET, startVaultWorld, stored } from '../vault/world.ts';
import { eventually, startControlPlane } from './control-plane.ts';
import { selfMadeMaterial } from './material.ts';
import { startNode } from './node.ts';

const crd = (kind: string, scope: string): object => ({
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${kind.toLowerCase()}s.external-secrets.io` },
  spec: { group: 'external-secrets.io', scope, names: { kind, plural: `${kind.toLowerCase()}s`, singular: kind.toLowerCase(), listKind: `${kind}List` }, versions: [{
    name: 'v1', served: true, storage: true, subresources: { status: {} },
    schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }, status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } } },
  }] },
});
const namespace = (name: string): object => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const OPERATOR = [
  crd('ExternalSecret', 'Namespaced'), crd('ClusterSecretStore', 'Cluster'), namespace('external-secrets'), namespace('podinfo'),
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: 'external-secrets' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' }, subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'external-secrets' }] },
  { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'external-secrets', namespace: 'external-secrets' }, spec: {
    selector: { matchLabels: { app: 'eso' } }, template: { metadata: { labels: { app: 'eso' } }, spec: { containers: [{ name: 'external-secrets', image: 'ghcr.io/external-secrets/external-secrets:v2.9.0', args: ['--concurrent=1'] }] } } } },
];

const SAME = { path: 'apps/gandalf/app', secret: 'app' };

test('the vault’s values reach the Secrets that are declared, a changed one follows, and a lost Secret comes back', async (t) => {
  const world = await startVaultWorld('127.100.8.5', 'read');
  t.after(() => world.close());
  const { host, lab } = world;
  const vault: Vault = { ...world.vault, secrets: [stored('token', SAME), stored('password', { ...SAME, key: 'password' }), stored('elsewhere', { store: 'sops' })] };
  lab.store.set('token', { value: 'canary-token-1' });
  const material = await selfMadeMaterial('cp-1', '127.100.8.11');
  const worker = startNode(material, { name: 'worker-1', address: '127.100.8.21', folder: host.scratch }, { authorities: lab.ca });
  t.after(() => worker.end('kill'));
  const cp = await startControlPlane(material, host, { kind: 'new' });
  t.after(() => cp.cutPower());
  const apply = async (objects: readonly object[]): Promise<void> => {
    const file = join(host.scratch, 'apply.yaml');
    writeFileSync(file, objects.map((object) => stringify(object)).join('---\n'), { mode: 0o600 });
    await cp.kubectl('apply', '--server-side', '-f', file);
  };
  const client = await openVault(host, vault, world.credentials);
  const look = async (): Promise<string> => {
    const { synced, waiting } = await observeSynced(host, vault, client, cp.kubeconfig).catch((error: Error) => ({ synced: [], waiting: [error.message] }));
    return [...synced, ...waiting].join('; ');
  };
  const data = (): Promise<string> => cp.kubectl('get', '-n', 'podinfo', 'secret/app', '--ignore-not-found', '-o', 'jsonpath={.data}');
  const encoded = (text: string): string => Buffer.from(text).toString('base64');

  await apply(OPERATOR);
  assert.match(await look(), /ClusterSecretStore azure-key-vault is not in the cluster yet/);
  await apply([clusterSecretStore(vault)]);
  await eventually(host, 'a store without its Secret is told', look, /^ClusterSecretStore azure-key-vault: unable to create client$/);
  await apply([principalSecret(vault, world.credentials), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'app', namespace: 'podinfo' }, stringData: { other: 'of-somebody-else' } }, externalSecret(vault.secrets[0]!, vault.secrets.slice(0, 2))]);
  await eventually(host, 'what the vault lacks is told', look, /^podinfo\/app\.token: could not get secret data from provider; podinfo\/app\.password: could/);
  lab.store.set('password', { value: 'canary-password-1' });
  await refreshNow(host, vault, cp.kubeconfig);
  await eventually(host, 'the missing one comes, and with it all', look, /^podinfo\/app\.token; podinfo\/app\.password$/);
  assert.deepEqual(JSON.parse(await data()), { token: encoded('canary-token-1'), password: encoded('canary-password-1'), other: encoded('of-somebody-else') });
  assert.equal(await cp.kubectl('get', '-n', 'podinfo', 'secret/app', '-o', 'jsonpath={.metadata.ownerReferences}'), '');

  lab.store.set('token', { value: 'canary-token-2' });
  assert.match(await look(), /podinfo\/app\.token: the vault has a newer value/);
  await refreshNow(host, vault, cp.kubeconfig);
  await eventually(host, 'a changed value follows', look, /^podinfo\/app\.token; podinfo\/app\.password$/);
  await cp.kubectl('delete', '-n', 'podinfo', 'secret/app');
  await eventually(host, 'a lost Secret comes back', look, /^podinfo\/app\.token; podinfo\/app\.password$/);

  await apply([{ ...clusterSecretStore({ ...vault, url: 'https://gandalf.vault.azure.net', authority: 'https://login.microsoftonline.com' }), metadata: { name: 'real' } }]);
  assert.equal(await cp.kubectl('get', 'clustersecretstore/real', '-o', 'jsonpath={.status}'), '');
  const seen = JSON.stringify(host.events) + await cp.kubectl('get', 'events,externalsecrets,clustersecretstores', '-A', '-o', 'json');
  assert.doesNotMatch(seen, new RegExp(`canary|${CLIENT_SECRET}`));
});
