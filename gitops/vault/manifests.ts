import type { Cluster, StoredSecret, Vault } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { problem } from '../../lib/errors.ts';

/** Names of what External Secrets needs in a cluster to read the vault. */
export const STORE = {
  /** The ClusterSecretStore. */
  name: 'azure-key-vault',
  /** Namespace of External Secrets and of the Secret with the service principal. */
  namespace: 'external-secrets',
  file: 'store.yaml',
  credentials: 'credentials.sops.yaml',
} as const;

/** The API of External Secrets (external-secrets/external-secrets: apis/externalsecrets/v1). */
const API = 'external-secrets.io/v1';

/** How soon a changed value of the vault is in the cluster by itself. */
const REFRESH = '15m0s';

/** Azure's clouds by their log-in (external-secrets/external-secrets: apis/externalsecrets/v1/secretstore_azurekv_types.go). */
const CLOUDS: Readonly<Record<string, string>> = {
  'https://login.microsoftonline.com': 'PublicCloud', 'https://login.microsoftonline.us': 'USGovernmentCloud', 'https://login.chinacloudapi.cn': 'ChinaCloud',
};

/** The folder of the GitOps repository with the cluster's store: each cluster may have a vault of its own. */
export function vaultFolder(cluster: Pick<Cluster, 'name'>): string {
  return `infrastructure/vault/${cluster.name}`;
}

/** The ClusterSecretStore: which vault, and as which service principal. A log-in that is none of Azure's own needs the newer of its two clients. */
export function clusterSecretStore(vault: Vault): object {
  const cloud = CLOUDS[vault.authority];
  const ref = (key: string): object => ({ name: STORE.name, namespace: STORE.namespace, key });
  return {
    apiVersion: API, kind: 'ClusterSecretStore',
    metadata: { name: STORE.name },
    spec: { provider: { azurekv: {
      authType: 'ServicePrincipal', vaultUrl: vault.url, tenantId: vault.tenant,
      ...(cloud === undefined ? { environmentType: 'AzureStackCloud', useAzureSDK: true, customCloudConfig: { activeDirectoryEndpoint: vault.authority } } : { environmentType: cloud }),
      authSecretRef: { clientId: ref('clientId'), clientSecret: ref('clientSecret') },
    } } },
  };
}

/** The Secret with the service principal, in the clear. Throws `E_CREDENTIALS_MISSING`. */
export function principalSecret(vault: Vault, credentials: Pick<Credentials, 'vaultClientSecret'>): object {
  if (!credentials.vaultClientSecret) throw problem('E_CREDENTIALS_MISSING', 'vaultClientSecret is missing in the credentials', 'Put the service principal’s secret into credentials.sops.yaml with `sops edit`.');
  return {
    apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { name: STORE.name, namespace: STORE.namespace },
    stringData: { clientId: vault.clientId, clientSecret: credentials.vaultClientSecret },
  };
}

/**
 * The ExternalSecret that brings one value of the vault to its key of a Kubernetes Secret. One for each key, which leaves the Secret's
 * other keys alone and does not own it (CreateOrMerge, from v2.8 on): so a key goes to the vault and back while the Secret stays.
 */
export function externalSecret(secret: StoredSecret): object {
  return {
    apiVersion: API, kind: 'ExternalSecret',
    metadata: { name: externalName(secret), namespace: secret.namespace },
    spec: {
      refreshInterval: REFRESH,
      secretStoreRef: { kind: 'ClusterSecretStore', name: STORE.name },
      target: { name: secret.secret, creationPolicy: 'CreateOrMerge' },
      data: [{ secretKey: secret.key, remoteRef: { key: secret.name } }],
    },
  };
}

/** Name of the ExternalSecret: the Secret's and the key's, in the letters that Kubernetes allows. */
export function externalName({ secret, key }: Pick<StoredSecret, 'secret' | 'key'>): string {
  return `${secret}-${key}`.toLowerCase().replace(/[^a-z0-9.-]/g, '-').replace(/[^a-z0-9]+$/, '');
}

/** Path of the ExternalSecret's manifest from the repository's root: beside the SOPS file whose key it takes the place of. */
export function externalPath({ path, key }: Pick<StoredSecret, 'path' | 'key'>): string {
  return `${path}.${key}.external.yaml`;
}

/** Path of the file that holds the value while it is under SOPS. */
export function sopsPath({ path }: Pick<StoredSecret, 'path'>): string {
  return `${path}.sops.yaml`;
}
