import { encryptionKeys, valueState } from './kube-encryption.ts';
import type { ScratchEtcd } from './scratch-etcd.ts';
import type { Bundle } from './secrets.ts';

/** How many objects of a kind are in a namespace. `kind` is the plural as etcd keeps it (`nodes`, `kustomizations.kustomize.toolkit.fluxcd.io`), `namespace` empty where it has none. */
export type ObjectCount = { readonly kind: string; readonly namespace: string; readonly count: number };

/** What a snapshot holds. */
export type SnapshotContents = {
  /** By kind, then namespace; without events, which etcd forgets by itself. */
  readonly objects: readonly ObjectCount[];
  /** Every Secret opened with the bundle's key (`decrypt`), one did not (`wrong bundle`), all lie in the clear, or there is none. */
  readonly secrets: 'decrypt' | 'wrong bundle' | 'plain' | 'none';
  /** Whose CA the cluster published to its pods: the bundle's, another one, or none was seen. */
  readonly authority: 'ours' | 'another' | 'unknown';
  readonly nodes: readonly string[];
  /** The uid of the namespace kube-system, by which Kubernetes clusters are told apart. */
  readonly uid?: string;
};

/** Where kube-apiserver keeps everything (its flag --etcd-prefix). */
const ROOT = '/registry/';
/** kube-controller-manager publishes the CA into every namespace under this name. */
const AUTHORITY = `${ROOT}configmaps/kube-system/kube-root-ca.crt`;

/** Counts and tries what an etcd on a snapshot holds. Nothing of a Secret is kept. Throws what the etcd throws. */
export async function readContents(etcd: ScratchEtcd, bundle: Pick<Bundle, 'text' | 'kubernetesCa'>): Promise<SnapshotContents> {
  const keys = await etcd.keys(ROOT);
  const [authority, namespace] = [await etcd.get(AUTHORITY), await etcd.get(`${ROOT}namespaces/kube-system`)];
  const uid = namespace && /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/.exec(Buffer.from(namespace).toString('latin1'))?.[0];
  return {
    objects: countObjects(keys),
    secrets: await trySecrets(etcd, bundle.text),
    authority: authority === undefined ? 'unknown' : Buffer.from(authority).includes(bundle.kubernetesCa.trim()) ? 'ours' : 'another',
    nodes: keys.filter((key) => key.startsWith(`${ROOT}minions/`)).map((key) => key.slice(`${ROOT}minions/`.length)),
    ...(uid === undefined ? {} : { uid }),
  };
}

/** Objects by kind and namespace, from the keys that kube-apiserver writes. Keys that are no object's (ranges, leases of masters) are left out. */
export function countObjects(keys: readonly string[]): readonly ObjectCount[] {
  const counts = new Map<string, number>();
  for (const key of keys) {
    const place = placeOf(key);
    if (place === undefined || place.kind === 'events') continue;
    const name = `${place.kind} ${place.namespace}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => {
    const [kind = '', namespace = ''] = name.split(' ');
    return { kind, namespace, count };
  }).toSorted((one, other) => one.kind.localeCompare(other.kind) || one.namespace.localeCompare(other.namespace));
}

/**
 * Kind and namespace of a key: `/registry/KIND/[NAMESPACE/]NAME`, with a group before the kind for custom and aggregated resources,
 * and a word after `services` (kubernetes/kubernetes:pkg/registry, storage prefixes); nodes are still `minions` there.
 */
function placeOf(key: string): { readonly kind: string; readonly namespace: string } | undefined {
  const [first = '', second = '', ...rest] = key.slice(ROOT.length).split('/');
  if (['ranges', 'masterleases', 'health'].includes(first)) return undefined;
  const [kind, tail] = first.includes('.') ? [`${second}.${first}`, rest] : first === 'services' ? [second === 'endpoints' ? 'endpoints' : 'services', rest] : [first === 'minions' ? 'nodes' : first, [second, ...rest]];
  const [namespace, name] = tail.length > 1 ? [tail[0] ?? '', tail[1]] : ['', tail[0]];
  return name ? { kind, namespace } : undefined;
}

async function trySecrets(etcd: ScratchEtcd, bundleText: string): Promise<SnapshotContents['secrets']> {
  const keys = encryptionKeys(bundleText);
  const seen = new Set<ReturnType<typeof valueState>>();
  await etcd.each(`${ROOT}secrets/`, (_key, value) => void seen.add(valueState(value, keys)));
  if (seen.has('other key')) return 'wrong bundle';
  return seen.has('decrypts') ? 'decrypt' : seen.has('plain') ? 'plain' : 'none';
}
