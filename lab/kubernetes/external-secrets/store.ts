import { ClientSecretCredential } from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import type { KubeClient } from '../client.ts';
import type { Secret, Store } from './kinds.ts';

/** Reads the newest value, or a certain version, of a secret of the store's vault. */
export type StoreReader = (name: string, version?: string) => Promise<string>;

/** True for a store that the lab plays: an Azure Key Vault at an address, as only the lab's own is; Azure's have names. No other is ever spoken to. */
export function isPlayed(store: Store): boolean {
  const { vaultUrl, customCloudConfig } = store.spec.provider?.azurekv ?? {};
  return [vaultUrl, customCloudConfig?.activeDirectoryEndpoint].every((url) => /^https:\/\/\d+\.\d+\.\d+\.\d+(:\d+)?\/?$/.test(url ?? ''));
}

/**
 * Opens a store as the provider azurekv does with its newer client: the service principal comes from the Secrets that the store names
 * (external-secrets/external-secrets: providers/v1/azure/keyvault). Throws where the store or a Secret is not complete.
 */
export async function openStore(client: KubeClient, store: Store, authorities: string): Promise<StoreReader> {
  const azure = store.spec.provider!.azurekv!;
  if (azure.useAzureSDK !== true) throw new Error('CustomCloudConfig requires UseAzureSDK to be set to true');
  if ((azure.authType ?? 'ServicePrincipal') !== 'ServicePrincipal') throw new Error(`the lab plays no authType ${azure.authType}`);
  if (!azure.tenantId) throw new Error('missing tenantID in store config');
  const value = async (ref: { readonly name?: string; readonly namespace?: string; readonly key?: string } | undefined, what: string): Promise<string> => {
    if (!ref?.name || !ref.key || !ref.namespace) throw new Error(`missing ${what} in store config`);
    const secret = await client.get<Secret>(`/api/v1/namespaces/${ref.namespace}/secrets/${ref.name}`);
    const held = secret.data?.[ref.key];
    if (held === undefined) throw new Error(`cannot find secret data for key: "${ref.key}"`);
    return Buffer.from(held, 'base64').toString('utf8');
  };
  const clientId = await value(azure.authSecretRef?.clientId, 'clientID');
  const clientSecret = await value(azure.authSecretRef?.clientSecret, 'clientSecret');
  const tls = { tlsOptions: { ca: authorities } };
  const credential = new ClientSecretCredential(azure.tenantId, clientId, clientSecret, { ...tls, authorityHost: azure.customCloudConfig!.activeDirectoryEndpoint!, disableInstanceDiscovery: true });
  const vault = new SecretClient(azure.vaultUrl!, credential, { ...tls, disableChallengeResourceVerification: true });
  return async (name, version) => (await vault.getSecret(name.replace(/^secret\//, ''), version === undefined ? {} : { version })).value ?? '';
}
