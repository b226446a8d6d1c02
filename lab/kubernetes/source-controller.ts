import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { eitherSignal } from '../../lib/signals.ts';
import type { KubeClient } from './client.ts';
import type { RunningController } from './controllers.ts';
import { follow, keyOf } from './follow.ts';
import { gitRepositories } from './source/git-repository.ts';
import { helmCharts } from './source/helm-chart.ts';
import { helmRepositories } from './source/helm-repository.ts';
import { sourcePath, type SourceContext, type SourceKind } from './source/kinds.ts';
import { ociRepositories } from './source/oci-repository.ts';
import { durationMs, failedStatus, requestedAt, SourceFailure, type SourceObject } from './source/status.ts';
import { openStorage } from './source/storage.ts';

const KINDS: readonly SourceKind[] = [gitRepositories, helmRepositories, helmCharts, ociRepositories] as readonly SourceKind[];
const FIRST_RETRY_MS = 750;

/** `path` is the PATH on which git, ssh and tar are found. */
type Options = { readonly client: KubeClient; readonly folder: string; readonly address: string; readonly path: string };

/** One followed object: its kind, the newest version seen, and what wakes its reconciler. */
type Entry = { readonly kind: SourceKind; object: SourceObject; handled: string; wake: () => void; readonly gone: AbortController };

/** All followed objects, by kind and `namespace/name`. */
type Entries = Map<string, Entry>;

/**
 * The stand-in of Flux's source-controller (which cannot be built from its published modules; Bucket stays as it is). Git is
 * fetched for real; charts and other things of the internet come from the lab's own shelf (lab/charts). Artifacts are served over
 * HTTP on a free port of the node's address, and statuses written, as fluxcd/source-controller:internal/controller does.
 * Reconciles on a change of the spec, or of the source that a HelmChart is made from, on `reconcile.fluxcd.io/requestedAt`, at the
 * interval, and again soon after a failure.
 */
export async function startSourceController(options: Options): Promise<RunningController> {
  const folder = join(options.folder, 'source-controller');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const storage = await openStorage(join(folder, 'artifacts'), options.address);
  const ended = new AbortController();
  const entries: Entries = new Map();
  const running = new Set<Promise<void>>();
  const begin = (kind: SourceKind, object: SourceObject): void => {
    const entry: Entry = { kind, object, handled: '', wake: () => {}, gone: new AbortController() };
    entries.set(entryKey(kind, object), entry);
    const { client, path } = options;
    const work = keepReconciling({ client, path, folder, storage, signal: eitherSignal(ended.signal, entry.gone.signal) }, entry, entries);
    running.add(work);
    void work.finally(() => running.delete(work));
  };
  const following = KINDS.map((kind) => follow<SourceObject>(options.client, sourcePath(kind.plural), ended.signal, async ({ changed, removed }) => {
    for (const object of removed) {
      entries.get(entryKey(kind, object))?.gone.abort();
      entries.delete(entryKey(kind, object));
      await storage.drop(kind.kind.toLowerCase(), object);
    }
    for (const object of changed) {
      const entry = entries.get(entryKey(kind, object));
      if (entry) entry.object = object;
      else begin(kind, object);
    }
    for (const entry of entries.values()) if (askFor(entry, entries) !== entry.handled) entry.wake();
  }));
  const stop = async (): Promise<void> => {
    ended.abort();
    storage.close();
    await Promise.all([...following, ...running]);
  };
  return { ready: async () => true, exited: Promise.all(following), stop, kill: stop };
}

function entryKey(kind: { readonly kind: string }, object: SourceObject): string {
  return `${kind.kind} ${keyOf(object)}`;
}

/** What makes a version of the object worth a reconcile of its own; of a HelmChart, its source's revision too. */
function askFor({ object }: Entry, entries: Entries): string {
  const { uid, generation, namespace } = object.metadata;
  const ref = object.spec['sourceRef'] as { kind: string; name: string } | undefined;
  const source = ref && entries.get(`${ref.kind} ${namespace}/${ref.name}`)?.object.status?.artifact?.revision;
  return `${uid} ${generation} ${requestedAt(object) ?? ''} ${source ?? ''}`;
}

async function keepReconciling(context: SourceContext, entry: Entry, entries: Entries): Promise<void> {
  const { signal } = context;
  let failures = 0;
  while (!signal.aborted) {
    const { object } = entry;
    entry.handled = askFor(entry, entries);
    let next = durationMs(object.spec.interval ?? '') || 60_000;
    if (object.spec.suspend !== true) {
      const done = await reconcile(context, entry.kind, object).catch(() => false);
      failures = done ? 0 : failures + 1;
      if (!done) next = Math.min(next, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 8));
    }
    // An abort during the reconcile fires no listener that comes after it.
    if (signal.aborted || askFor(entry, entries) !== entry.handled) continue;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, next);
      entry.wake = () => { clearTimeout(timer); resolve(); };
      signal.addEventListener('abort', entry.wake, { once: true });
    });
    signal.removeEventListener('abort', entry.wake);
  }
}

/** One reconcile; tells whether it ended well: what went wrong is in the status. Throws where that could not be written. */
async function reconcile(context: SourceContext, kind: SourceKind, object: SourceObject): Promise<boolean> {
  const write = (status: object): Promise<unknown> => context.client.patch(`${sourcePath(kind.plural, object.metadata.namespace, object.metadata.name)}/status`, status);
  try {
    const status = await kind.reconcile(context, object);
    if (status) await write(status);
    return true;
  } catch (error) {
    if (context.signal.aborted) throw error;
    await write(failedStatus(object, error instanceof SourceFailure ? error : new SourceFailure('Failed', (error as Error).message)));
    return false;
  }
}
