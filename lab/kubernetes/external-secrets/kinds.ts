import { createHash } from 'node:crypto';
import type { KubeObject } from '../client.ts';

/** A condition as External Secrets writes it. */
export type Condition = { readonly type: string; readonly status: 'True' | 'False'; readonly reason: string; readonly message: string; readonly lastTransitionTime: string };

type SecretRef = { readonly name?: string; readonly namespace?: string; readonly key?: string };

/** The parts of a ClusterSecretStore or SecretStore that are read here (external-secrets/external-secrets: apis/externalsecrets/v1). */
export type Store = KubeObject & {
  readonly spec: { readonly provider?: { readonly azurekv?: {
    readonly vaultUrl?: string; readonly tenantId?: string; readonly authType?: string; readonly environmentType?: string; readonly useAzureSDK?: boolean;
    readonly customCloudConfig?: { readonly activeDirectoryEndpoint?: string };
    readonly authSecretRef?: { readonly clientId?: SecretRef; readonly clientSecret?: SecretRef };
  } } };
  readonly status?: { readonly conditions?: readonly Condition[] };
};

/** The parts of an ExternalSecret that are read here. */
export type ExternalSecret = KubeObject & {
  readonly spec: {
    readonly refreshInterval?: string;
    readonly secretStoreRef?: { readonly kind?: string; readonly name?: string };
    readonly target?: { readonly name?: string; readonly creationPolicy?: string };
    readonly data?: readonly { readonly secretKey: string; readonly remoteRef: { readonly key: string; readonly version?: string } }[];
    readonly dataFrom?: readonly unknown[];
  };
  readonly status?: { readonly conditions?: readonly Condition[]; readonly refreshTime?: string; readonly syncedResourceVersion?: string };
};

/** The parts of a Secret that are read here. */
export type Secret = KubeObject & { readonly data?: Readonly<Record<string, string>> };

/** `/apis/external-secrets.io/v1/…` of an object. */
export function pathOf(plural: string, object: KubeObject): string {
  const { name, namespace } = object.metadata;
  return `/apis/external-secrets.io/v1/${namespace === undefined ? '' : `namespaces/${namespace}/`}${plural}/${name}`;
}

/** The hash by which a change of a thing is seen. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** The condition Ready: the time of its last change stays where status and reason did. */
export function ready(before: readonly Condition[] | undefined, status: 'True' | 'False', reason: string, message: string): Condition[] {
  const old = before?.find((each) => each.type === 'Ready');
  const since = old?.status === status && old.reason === reason ? old.lastTransitionTime : new Date().toISOString();
  return [{ type: 'Ready', status, reason, message, lastTransitionTime: since }];
}
