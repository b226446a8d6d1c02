import { KubeRefusal, type KubeClient } from '../client.ts';
import { tellEvent } from '../pods/pod-event.ts';
import { durationMs } from '../source/status.ts';
import { hashOf, pathOf, ready, type ExternalSecret, type Secret } from './kinds.ts';
import type { StoreReader } from './store.ts';

const MANAGED = 'reconcile.external-secrets.io/managed';
const DATA_HASH = 'reconcile.external-secrets.io/data-hash';
const COMPONENT = 'external-secrets';

/** What became of one look: nothing was due, the Secret holds the vault's values, or it failed (and is tried again a little later). */
export type Synced = 'not due' | 'synced' | 'failed';

/**
 * One reconciliation of an ExternalSecret, as external-secrets/external-secrets: pkg/controllers/externalsecret does it: due when its
 * spec, labels or annotations changed, when refreshInterval has passed, or when the Secret is not as it was left; then every value is
 * read anew, the Secret written by its creationPolicy and the status told, in the real one's words. Throws the connection's error.
 */
export async function sync(client: KubeClient, external: ExternalSecret, open: () => Promise<StoreReader>): Promise<Synced> {
  const { namespace, name: ownName } = external.metadata;
  const { target = {}, data = [] } = external.spec;
  const name = target.name ?? ownName;
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  const there = await client.get<Secret>(`${path}/${name}`).catch((error: unknown) => {
    if (error instanceof KubeRefusal && error.status === 404) return undefined;
    throw error;
  });
  if (!isDue(external) && isValid(there, target.creationPolicy)) return 'not due';
  let values: Record<string, string>;
  try {
    const read = await open();
    values = Object.fromEntries(await Promise.all(data.map(async ({ secretKey, remoteRef }) => [secretKey, Buffer.from(await read(remoteRef.key, remoteRef.version)).toString('base64')] as const)));
  } catch (error) {
    await tellEvent(client, { ...external, kind: 'ExternalSecret', apiVersion: 'external-secrets.io/v1' }, 'Warning', 'UpdateFailed', `error processing spec.data: ${(error as Error).message}`, COMPONENT);
    await tell(client, external, 'False', 'SecretSyncedError', 'could not get secret data from provider');
    return 'failed';
  }
  const policy = target.creationPolicy ?? 'Owner';
  if (policy === 'Merge' && !there) {
    await tell(client, external, 'True', 'SecretMissing', 'secret will not be created due to CreationPolicy=Merge', true);
    return 'synced';
  }
  if (policy !== 'None') await write(client, path, external, name, there, values, policy);
  await tell(client, external, 'True', 'SecretSynced', 'secret synced', true);
  return 'synced';
}

/** What of an ExternalSecret asks for a new look when it changes (external-secrets/external-secrets: pkg/controllers/util, GetResourceVersion). */
export function versionOf({ metadata }: ExternalSecret): string {
  return `${metadata.generation}-${hashOf([metadata.annotations ?? {}, metadata.labels ?? {}])}`;
}

function isDue(external: ExternalSecret): boolean {
  const { refreshTime, syncedResourceVersion } = external.status ?? {};
  if (refreshTime === undefined || syncedResourceVersion !== versionOf(external)) return true;
  const interval = durationMs(external.spec.refreshInterval ?? '1h0m0s');
  return interval > 0 && Date.now() - Date.parse(refreshTime) >= interval;
}

function isValid(secret: Secret | undefined, policy: string | undefined): boolean {
  if (policy === 'None' || (policy === 'Merge' && !secret)) return true;
  return secret?.metadata.labels?.[MANAGED] === 'true' && secret.metadata.annotations?.[DATA_HASH] === hashOf(sorted(secret.data ?? {}));
}

async function write(client: KubeClient, path: string, external: ExternalSecret, name: string, there: Secret | undefined, values: Readonly<Record<string, string>>, policy: string): Promise<void> {
  const keeps = policy === 'Merge' || policy === 'CreateOrMerge';
  const data = sorted(keeps ? { ...there?.data, ...values } : values);
  const { uid, name: owner, namespace } = external.metadata;
  const metadata = {
    ...there?.metadata, name, namespace,
    labels: { ...there?.metadata.labels, [MANAGED]: 'true' }, annotations: { ...there?.metadata.annotations, [DATA_HASH]: hashOf(data) },
    ...(policy === 'Owner' ? { ownerReferences: [{ apiVersion: 'external-secrets.io/v1', kind: 'ExternalSecret', name: owner, uid, controller: true, blockOwnerDeletion: true }] } : {}),
  };
  if (there) await client.replace(`${path}/${name}`, { ...there, apiVersion: 'v1', kind: 'Secret', metadata, data });
  else await client.create(path, { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata, data });
}

async function tell(client: KubeClient, external: ExternalSecret, status: 'True' | 'False', reason: string, message: string, refreshed = false): Promise<void> {
  await client.patch(`${pathOf('externalsecrets', external)}/status`, { status: {
    conditions: ready(external.status?.conditions, status, reason, message),
    ...(refreshed ? { refreshTime: new Date().toISOString(), syncedResourceVersion: versionOf(external), binding: { name: external.spec.target?.name ?? external.metadata.name } } : {}),
  } });
}

function sorted(data: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1)));
}
