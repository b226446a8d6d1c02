import { createHash, timingSafeEqual } from 'node:crypto';
import type { Host } from '../../lib/host.ts';
import type { Vault } from '../../nodes/cluster.ts';
import { condition, getObjects, kubectl, secretValue } from '../kubectl.ts';
import type { VaultClient } from './client.ts';
import { inVault } from './look.ts';
import { externalName, STORE } from './manifests.ts';

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
  for (const secret of inVault(vault)) {
    const name = `${secret.namespace}/${secret.secret}.${secret.key}`;
    const [external] = await getObjects(host, kubeconfig, ['-n', secret.namespace, `${EXTERNAL_SECRETS}/${externalName(secret)}`]);
    const state = external && condition(external);
    const held = secretValue((await getObjects(host, kubeconfig, ['-n', secret.namespace, `secret/${secret.secret}`]))[0], secret.key);
    if (!state) waiting.push(`${name}: its ExternalSecret is not in the cluster yet`);
    else if (!state.met) waiting.push(`${name}: ${state.message}`);
    else if (held === undefined) waiting.push(`${name}: the Secret does not have it yet`);
    else if (!timingSafeEqual(digest(held), digest((await client.read(secret.name)).value))) waiting.push(`${name}: the vault has a newer value`);
    else synced.push(name);
  }
  return { synced, waiting };
}

/**
 * Asks External Secrets to read the vault now, not at the next interval: any change of an ExternalSecret's annotations does
 * (external-secrets/external-secrets: pkg/controllers/util, GetResourceVersion). Those that are not there yet need no asking.
 */
export async function refreshNow(host: Host, vault: Vault, kubeconfig: string): Promise<void> {
  for (const secret of inVault(vault)) {
    const [there] = await getObjects(host, kubeconfig, ['-n', secret.namespace, `${EXTERNAL_SECRETS}/${externalName(secret)}`]);
    if (!there) continue;
    await kubectl(host, kubeconfig, ['annotate', '-n', secret.namespace, `${EXTERNAL_SECRETS}/${externalName(secret)}`, '--overwrite', '--field-manager=firstlight', `force-sync=${new Date(host.clock.now()).toISOString()}`]);
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
