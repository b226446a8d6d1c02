import type { KubeClient, KubeObject } from './client.ts';
import { pause } from './secure-client.ts';

/** The objects of one kind as last seen, by `namespace/name` (or the name alone), and the one that changed. */
export type Followed<T> = { readonly objects: ReadonlyMap<string, T>; readonly changed: readonly T[]; readonly removed: readonly T[] };

/** Between two tries while the API server, or the kind itself, is not there. */
const RETRY_MS = 500;

/** The key under which an object is followed. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/**
 * Lists a kind and follows its changes until the signal fires, starting over whenever the API server goes away, forgets the
 * version or does not (yet) know the kind. `each` is awaited and told every change once; what it throws is told again later.
 */
export async function follow<T extends KubeObject>(client: KubeClient, path: string, signal: AbortSignal, each: (seen: Followed<T>) => Promise<void>): Promise<void> {
  const objects = new Map<string, T>();
  while (!signal.aborted) {
    await followOnce(client, path, signal, objects, each).catch(() => {});
    await pause(RETRY_MS, signal);
  }
}

async function followOnce<T extends KubeObject>(
  client: KubeClient, path: string, signal: AbortSignal, objects: Map<string, T>, each: (seen: Followed<T>) => Promise<void>,
): Promise<void> {
  const { items, resourceVersion } = await client.list<T>(path);
  const present = new Set(items.map(keyOf));
  const removed = [...objects.values()].filter((object) => !present.has(keyOf(object)));
  removed.forEach((object) => objects.delete(keyOf(object)));
  items.forEach((object) => objects.set(keyOf(object), object));
  await each({ objects, changed: items, removed });
  for await (const event of client.watch(path, resourceVersion, signal)) {
    if (event.type === 'BOOKMARK') continue;
    if (event.type === 'ERROR') return;
    const object = event.object as T;
    if (event.type === 'DELETED') objects.delete(keyOf(object));
    else objects.set(keyOf(object), object);
    await each(event.type === 'DELETED' ? { objects, changed: [], removed: [object] } : { objects, changed: [object], removed: [] });
  }
}
