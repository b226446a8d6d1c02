import { createHash, timingSafeEqual } from 'node:crypto';
import type { Host } from '../../lib/host.ts';
import type { Vault } from '../../nodes/cluster.ts';
import { condition, getObjects, kubectl, secretValue, type KubeObject } from '../kubectl.ts';
import type { VaultClient } from './client.ts';
import { bySecret, externalName, STORE } from './manifests.ts';

const EXTERNAL_SECRETS = 'externalsecrets.external-secrets.io';
const STORES = 'clustersecretstores.external-secrets.io';

/** What the cluster made of the vault's secrets: which keys hold the vault's newest value, and why the others don't. */
export type VaultState = { readonly synced: readonly string[]; readonly waiting: readonly string[] };

/**
 * Looks whether External Secrets has brought every declared secret into the cluster, and whether each Secret holds what the vault
 * holds now: hashes are compared, nothing of them is told. Throws what kubectl and the vault's client throw.
 */
export async function observeSynced(host: Host, vault: Vault, client: VaultClient, kubeconfig: string): Promise<VaultState> {
  const [store] = await getObjects(host, kubeconfig, [`${STORES}/${STORE.name}`]);
  if (!store) return { synced: [], waiting: [`ClusterSecretStore ${STORE.name} is not in the cluster yet`] };
  const ready = condition(store);
  if (!ready.met) return { synced: [], waiting: [`ClusterSecretStore ${STORE.name}: ${ready.message}`] };
  const synced: string[] = [];
  const waiting: string[] = [];
  for (const [{ namespace, secret: target }, secrets] of bySecret(vault)) {
    const external = await findExternal(host, kubeconfig, namespace, externalName(target, secrets));
    const state = external && condition(external);
    const [there] = await getObjects(host, kubeconfig, ['-n', namespace, `secret/${target}`]);
    for (const { key, name: inVault } of secrets) {
      const name = `${namespace}/${target}.${key}`;
      const held = secretValue(there, key);
      if (!state) waiting.push(`${name}: its ExternalSecret is not in the cluster yet`);
      else if (!state.met) waiting.push(`${name}: ${state.message}`);
      else if (held === undefined) waiting.push(`${name}: the Secret does not have it yet`);
      else if (!timingSafeEqual(digest(held), digest((await client.read(inVault)).value))) waiting.push(`${name}: the vault has a newer value`);
      else synced.push(name);
    }
  }
  return { synced, waiting };
}

/**
 * Asks External Secrets to read the vault now, not at the next interval: any change of an ExternalSecret's annotations does
 * (external-secrets/external-secrets: pkg/controllers/util, GetResourceVersion). Those that are not there yet need no asking.
 */
export async function refreshNow(host: Host, vault: Vault, kubeconfig: string): Promise<void> {
  for (const [{ namespace, secret }, secrets] of bySecret(vault)) {
    const name = externalName(secret, secrets);
    if (!await findExternal(host, kubeconfig, namespace, name)) continue;
    await kubectl(host, kubeconfig, ['annotate', '-n', namespace, `${EXTERNAL_SECRETS}/${name}`, '--overwrite', '--field-manager=firstlight', `force-sync=${new Date(host.clock.now()).toISOString()}`]);
  }
}

async function findExternal(host: Host, kubeconfig: string, namespace: string, name: string): Promise<KubeObject | undefined> {
  return (await getObjects(host, kubeconfig, ['-n', namespace, `${EXTERNAL_SECRETS}/${name}`]))[0];
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
