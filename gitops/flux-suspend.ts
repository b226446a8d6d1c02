import type { Host } from '../lib/host.ts';
import { getObjects, kubectl, type KubeObject } from './kubectl.ts';

/** What of Flux changes a cluster by itself and can be told not to (`spec.suspend`), as Kubernetes names the kinds. */
export const SUSPENDABLE = ['kustomizations.kustomize.toolkit.fluxcd.io', 'helmreleases.helm.toolkit.fluxcd.io', 'imageupdateautomations.image.toolkit.fluxcd.io'] as const;

/** Marks what firstlight suspended, so that what its owner had suspended stays so. */
export const SUSPENDED_ANNOTATION = 'firstlight.dev/suspended';

/** What of Flux acts, what firstlight suspended, what its owner had suspended, and what of ours its owner let go on (`kustomization flux-system/apps`). */
export type Suspension = { readonly acting: readonly string[]; readonly ours: readonly string[]; readonly owners: readonly string[]; readonly released: readonly string[] };

type Suspendable = { readonly kind: string; readonly object: KubeObject };

/** Looks at every Kustomization, HelmRelease and image automation; all lists are empty where the cluster has no Flux. Throws what kubectl throws. */
export async function observeSuspension(host: Host, kubeconfig: string): Promise<Suspension> {
  const all = await suspendables(host, kubeconfig);
  const named = (choose: (object: KubeObject) => boolean): string[] => all.filter(({ object }) => choose(object)).map(nameOf);
  return {
    acting: named((object) => !isSuspended(object) && !isMarked(object)),
    ours: named((object) => isSuspended(object) && isMarked(object)),
    owners: named((object) => isSuspended(object) && !isMarked(object)),
    released: named((object) => !isSuspended(object) && isMarked(object)),
  };
}

/** Suspends all that acts, marked as ours; what its owner let go on against our mark goes on. Throws what kubectl throws. */
export async function suspendAll(host: Host, kubeconfig: string): Promise<void> {
  await change(host, kubeconfig, (object) => !isSuspended(object) && !isMarked(object), { metadata: { annotations: { [SUSPENDED_ANNOTATION]: 'while etcd is brought back' } }, spec: { suspend: true } });
}

/** Lets go on what firstlight suspended; what its owner suspended stays. Throws what kubectl throws. */
export async function resumeOurs(host: Host, kubeconfig: string): Promise<void> {
  await change(host, kubeconfig, isMarked, { metadata: { annotations: { [SUSPENDED_ANNOTATION]: null } }, spec: { suspend: null } });
}

/** Where kube-apiserver keeps these kinds in etcd: prefixes of keys. Custom resources lie there as JSON. */
export const SUSPENDABLE_PREFIXES: readonly string[] = SUSPENDABLE.map((kind) => {
  const [plural, ...group] = kind.split('.');
  return `/registry/${group.join('.')}/${plural}/`;
});

/** The same as `suspendAll` for one object as it lies in etcd; undefined where it needs no change, or is not JSON (encrypted by its owner's choice). */
export function suspendedInEtcd(value: string): string | undefined {
  let object: { metadata?: { annotations?: Record<string, string> }; spec?: Record<string, unknown> };
  try {
    object = JSON.parse(value) as typeof object;
  } catch {
    return undefined;
  }
  if (typeof object !== 'object' || object === null || object.spec?.['suspend'] === true) return undefined;
  const annotations = { ...object.metadata?.annotations, [SUSPENDED_ANNOTATION]: 'while etcd is brought back' };
  return JSON.stringify({ ...object, metadata: { ...object.metadata, annotations }, spec: { ...object.spec, suspend: true } });
}

async function suspendables(host: Host, kubeconfig: string): Promise<readonly Suspendable[]> {
  const found = await Promise.all(SUSPENDABLE.map(async (kind) => (await getObjects(host, kubeconfig, [kind, '--all-namespaces'])).map((object) => ({ kind, object }))));
  return found.flat();
}

async function change(host: Host, kubeconfig: string, choose: (object: KubeObject) => boolean, patch: object): Promise<void> {
  for (const each of await suspendables(host, kubeconfig)) {
    if (!choose(each.object)) continue;
    const { name, namespace = 'default' } = each.object.metadata;
    await kubectl(host, kubeconfig, ['patch', each.kind, name, '-n', namespace, '--type=merge', `--patch=${JSON.stringify(patch)}`]);
  }
}

function isSuspended(object: KubeObject): boolean {
  return object.spec?.['suspend'] === true;
}

function isMarked(object: KubeObject): boolean {
  return (object.metadata['annotations'] as Readonly<Record<string, string>> | undefined)?.[SUSPENDED_ANNOTATION] !== undefined;
}

function nameOf({ kind, object }: Suspendable): string {
  return `${kind.split('.')[0]!.replace(/s$/, '')} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}
