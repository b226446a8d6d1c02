import { kubeClient, KubeRefusal, type KubeClient } from '../client.ts';
import type { RunningController } from '../controllers.ts';
import { follow, keyOf } from '../follow.ts';
import { tellEvent } from '../pods/pod-event.ts';
import type { ProgramStart } from '../pods/programs.ts';
import { pause } from '../secure-client.ts';
import { pathOf, ready, type ExternalSecret, type Store } from './kinds.ts';
import { isPlayed, openStore, type StoreReader } from './store.ts';
import { sync, versionOf } from './sync.ts';

/** Between two looks at what is due: the real one hears of every change, this one looks. */
const LOOK_MS = 500;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 16_000;

/**
 * The stand-in of External Secrets' operator (which cannot be built from its published modules) for the provider azurekv: it validates
 * stores, reads the lab's vault with Azure's own client and keeps Secrets as their ExternalSecrets say. Stores of other providers, and
 * vaults that are not the lab's, are left without a word. The webhook and the keeper of its certificate only seem to run.
 */
export async function startExternalSecrets({ access, args, authorities }: ProgramStart): Promise<RunningController> {
  const ended = new AbortController();
  const over = Promise.withResolvers<void>();
  const client = kubeClient({ url: new URL(access.endpoint).origin, ca: access.caCrt, token: access.token });
  const running = ['webhook', 'certcontroller'].includes(args[0] ?? '') ? [] : operate(client, authorities ?? '', ended.signal);
  const end = async (): Promise<void> => {
    ended.abort();
    await Promise.all(running);
    client.close();
    over.resolve();
  };
  return { ready: async () => true, exited: over.promise, stop: end, kill: end };
}

function operate(client: KubeClient, authorities: string, signal: AbortSignal): Promise<void>[] {
  const stores = new Map<string, Store>();
  const externals = new Map<string, ExternalSecret>();
  /** The version of each store that was last found good. */
  const good = new Map<string, string>();
  const waits = new Map<string, { until: number; ms: number }>();
  const remember = <T extends Store | ExternalSecret>(into: Map<string, T>) => async ({ changed, removed }: { readonly changed: readonly T[]; readonly removed: readonly T[] }): Promise<void> => {
    for (const object of changed) into.set(keyOf(object), object);
    for (const object of removed) into.delete(keyOf(object));
  };
  const validate = async (store: Store): Promise<boolean> => {
    const fault = await openStore(client, store, authorities).then(() => undefined, (error: unknown) => {
      if (!(error instanceof KubeRefusal) || error.status === 404) return (error as Error).message;
      throw error;
    });
    if (fault === undefined) good.set(keyOf(store), store.metadata.resourceVersion ?? '');
    if (store.status?.conditions?.[0]?.status === (fault === undefined ? 'True' : 'False')) return fault === undefined;
    const before = store.status?.conditions;
    const status = fault === undefined ? { conditions: ready(before, 'True', 'Valid', 'store validated'), capabilities: 'ReadWrite' } : { conditions: ready(before, 'False', 'InvalidProviderConfig', 'unable to create client') };
    await client.patch(`${pathOf('clustersecretstores', store)}/status`, { status });
    if (fault !== undefined) await tellEvent(client, { ...store, kind: 'ClusterSecretStore', metadata: { ...store.metadata, namespace: 'default' } }, 'Warning', 'InvalidProviderConfig', fault, 'cluster-secret-store');
    return fault === undefined;
  };
  const readerOf = async (external: ExternalSecret): Promise<StoreReader> => {
    const store = stores.get(external.spec.secretStoreRef?.name ?? '');
    if (!store) throw new Error(`could not get ClusterSecretStore "${external.spec.secretStoreRef?.name}"`);
    return openStore(client, store, authorities);
  };
  const each = async (key: string, work: () => Promise<boolean>): Promise<void> => {
    const wait = waits.get(key);
    if (wait && wait.until > Date.now()) return;
    if (await work().catch(() => false)) return void waits.delete(key);
    const ms = Math.min((wait?.ms ?? FIRST_RETRY_MS / 2) * 2, LONGEST_RETRY_MS);
    waits.set(key, { until: Date.now() + ms, ms });
  };
  const look = async (): Promise<void> => {
    while (await pause(LOOK_MS, signal)) {
      for (const store of [...stores.values()].filter(isPlayed)) {
        if (good.get(keyOf(store)) !== store.metadata.resourceVersion) await each(`store ${keyOf(store)}`, () => validate(store));
      }
      for (const [key, external] of externals) {
        const { kind, name } = external.spec.secretStoreRef ?? {};
        const store = stores.get(name ?? '');
        if (kind !== 'ClusterSecretStore' || external.spec.dataFrom || (store && !isPlayed(store))) continue;
        await each(`${key} ${versionOf(external)}`, async () => await sync(client, external, () => readerOf(external)) !== 'failed');
      }
    }
  };
  return [
    follow<Store>(client, '/apis/external-secrets.io/v1/clustersecretstores', signal, remember(stores)),
    follow<ExternalSecret>(client, '/apis/external-secrets.io/v1/externalsecrets', signal, remember(externals)),
    look(),
  ];
}
