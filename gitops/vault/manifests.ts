import { parse } from 'yaml';
import { z } from 'zod';
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
  credentials: 'vault.sops.yaml',
  /** The Kustomization that applies the store, in the cluster's own folder. */
  kustomization: 'vault.yaml',
  /** The folder with External Secrets itself. */
  controller: 'infrastructure/controllers/external-secrets',
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

/** Flux's Kustomization of the store: once External Secrets has brought its kinds. */
export function storeKustomization(cluster: Pick<Cluster, 'name'>): object {
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', metadata: { name: 'vault', namespace: 'flux-system' },
    spec: {
      dependsOn: [{ name: 'infra-controllers' }], interval: '1h', retryInterval: '2m', timeout: '5m',
      sourceRef: { kind: 'GitRepository', name: 'flux-system' }, path: `./${vaultFolder(cluster)}`, prune: true, wait: true,
    },
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

/** A key of a Secret and its name in the vault. */
export type VaultKey = Pick<StoredSecret, 'key' | 'name'>;

/**
 * The ExternalSecret that brings values of the vault to their keys of one Kubernetes Secret. It leaves the Secret's other keys alone and
 * does not own it (CreateOrMerge, from v2.8 on), so that a key goes to the vault and back while the Secret stays. One for all keys of a
 * Secret: of two, only the first would bring its keys back at once where the Secret is lost.
 */
export function externalSecret({ secret, namespace }: Pick<StoredSecret, 'secret' | 'namespace'>, keys: readonly VaultKey[]): object {
  const sorted = [...keys].sort((a, b) => (a.key < b.key ? -1 : 1));
  return {
    apiVersion: API, kind: 'ExternalSecret',
    metadata: { name: externalName(secret, sorted), namespace },
    spec: {
      refreshInterval: REFRESH,
      secretStoreRef: { kind: 'ClusterSecretStore', name: STORE.name },
      target: { name: secret, creationPolicy: 'CreateOrMerge' },
      data: sorted.map(({ key, name }) => ({ secretKey: key, remoteRef: { key: name } })),
    },
  };
}

/**
 * The name holds the keys, so that one with other keys is another ExternalSecret: External Secrets takes a key out of the Secret when
 * its ExternalSecret no longer has it, after Flux may have put it there from SOPS; of one that is gone it takes nothing.
 */
export function externalName(secret: string, keys: readonly VaultKey[]): string {
  const words = [secret, ...keys.map(({ key }) => key).sort()].join('-').toLowerCase();
  return words.replace(/[^a-z0-9.-]/g, '-').slice(0, 253).replace(/[^a-z0-9]+$/, '');
}

/** The inventory's secrets that are kept in the vault, those of one manifest together. */
export function bySecret(vault: Vault): readonly (readonly [StoredSecret, readonly StoredSecret[]])[] {
  const kept = vault.secrets.filter((secret) => secret.store === 'vault');
  const paths = [...new Set(kept.map((secret) => secret.path))];
  return paths.map((path) => kept.filter((secret) => secret.path === path)).map((secrets) => [secrets[0]!, secrets]);
}

/** The keys that an ExternalSecret's text brings from the vault; none where it is no such thing. */
export function keysIn(text: string | undefined): readonly VaultKey[] {
  const parsed = External.safeParse(text === undefined ? undefined : parseQuietly(text));
  return parsed.success ? parsed.data.spec.data.map(({ secretKey, remoteRef }) => ({ key: secretKey, name: remoteRef.key })) : [];
}

const External = z.looseObject({ kind: z.literal('ExternalSecret'), spec: z.looseObject({ data: z.array(z.looseObject({ secretKey: z.string(), remoteRef: z.looseObject({ key: z.string() }) })) }) });

function parseQuietly(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/** Path of the ExternalSecret's manifest from the repository's root: beside the SOPS file whose keys it takes the place of. */
export function externalPath({ path }: Pick<StoredSecret, 'path'>): string {
  return `${path}.external.yaml`;
}

/** Path of the file that holds the value while it is under SOPS. */
export function sopsPath({ path }: Pick<StoredSecret, 'path'>): string {
  return `${path}.sops.yaml`;
}
