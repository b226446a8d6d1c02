import { createHmac } from 'node:crypto';
import type { Host } from '../../lib/host.ts';
import { condition, kubectl, tryKubectl, type KubeObject } from '../../gitops/kubectl.ts';
import { problem } from '../../lib/errors.ts';

/** An object as it was seen; `digest` is a keyed hash of what a person put into it, where that stays as it is by itself. */
export type SeenObject = { readonly kind: string; readonly namespace: string; readonly name: string; readonly digest?: string };

/** What Kubernetes held at one time. */
export type SeenState = {
  readonly objects: readonly SeenObject[];
  readonly nodes: readonly { readonly name: string; readonly ready: boolean }[];
  /** Kustomizations by `namespace/name`, with Flux's words on them. */
  readonly kustomizations: readonly { readonly name: string; readonly ready: boolean; readonly message: string; readonly suspended: boolean }[];
  readonly externalSecrets: readonly { readonly name: string; readonly ready: boolean; readonly message: string }[];
  readonly claims: readonly { readonly name: string; readonly phase: string }[];
  /** Volumes attached to nodes: `{node, volume}`. */
  readonly attachments: readonly { readonly node: string; readonly volume: string }[];
};

/** Kinds that come and go by themselves, or are named anew each time. */
const VOLATILE = new Set(['events', 'events.events.k8s.io', 'leases.coordination.k8s.io', 'endpoints', 'endpointslices.discovery.k8s.io', 'pods', 'replicasets.apps',
  'controllerrevisions.apps', 'componentstatuses', 'certificatesigningrequests.certificates.k8s.io', 'csinodes.storage.k8s.io', 'volumeattachments.storage.k8s.io',
  'jobs.batch', 'ipaddresses.networking.k8s.io', 'csistoragecapacities.storage.k8s.io']);

/** Seconds for one call that lists everything: some thousand objects on a busy machine. */
const PATIENCE_SECONDS = 90;

/**
 * Sees everything that Kubernetes holds but what is volatile. `key` (random, of one rehearsal) hides what the digests are of: they can be
 * compared and tell nothing. Throws what kubectl throws.
 */
export async function seeState(host: Host, kubeconfig: string, key: Uint8Array): Promise<SeenState> {
  const kinds = (await kubectl(host, kubeconfig, ['api-resources', '--verbs=list', '--output=name'])).split('\n').map((line) => line.trim()).filter((name) => name !== '' && !VOLATILE.has(name));
  const done = await tryKubectl(host, kubeconfig, ['get', [...kinds, 'volumeattachments.storage.k8s.io'].join(','), '--all-namespaces', '--ignore-not-found', '--output=json'], { requestSeconds: PATIENCE_SECONDS });
  if (done.exitCode !== 0) throw problem('E_KUBE', `not every object could be listed: ${host.mask.hide(done.stderr).trim().slice(-300)}`, 'See whether the API server is well.');
  const items = (done.stdout.trim() === '' ? [] : (JSON.parse(done.stdout) as { items?: KubeObject[] }).items ?? []);
  return stateOf(items, key);
}

/** The same of objects in hand. */
export function stateOf(items: readonly KubeObject[], key: Uint8Array): SeenState {
  const named = (object: KubeObject): string => (object.metadata.namespace === undefined ? object.metadata.name : `${object.metadata.namespace}/${object.metadata.name}`);
  const of = (kind: string): readonly KubeObject[] => items.filter((item) => item.kind === kind);
  return {
    objects: items.filter((item) => item.kind !== 'VolumeAttachment').map((item) => seen(item, key))
      .toSorted((one, other) => one.kind.localeCompare(other.kind) || one.namespace.localeCompare(other.namespace) || one.name.localeCompare(other.name)),
    nodes: of('Node').map((node) => ({ name: node.metadata.name, ready: condition(node).met })),
    kustomizations: of('Kustomization').map((each) => ({ name: named(each), ready: condition(each).met, message: condition(each).message, suspended: each.spec?.['suspend'] === true })),
    externalSecrets: of('ExternalSecret').map((each) => ({ name: named(each), ready: condition(each).met, message: condition(each).message })),
    claims: of('PersistentVolumeClaim').map((claim) => ({ name: named(claim), phase: String(claim.status?.['phase'] ?? 'unknown') })),
    attachments: of('VolumeAttachment').map((each) => ({
      node: String(each.spec?.['nodeName']), volume: String((each.spec?.['source'] as { persistentVolumeName?: string } | undefined)?.persistentVolumeName ?? 'inline'),
    })),
  };
}

function seen(object: KubeObject, key: Uint8Array): SeenObject {
  const content = contentOf(object);
  const { name, namespace = '' } = object.metadata;
  return { kind: object.kind, namespace, name, ...(content === undefined ? {} : { digest: createHmac('sha256', key).update(stable(content)).digest('hex') }) };
}

/** Groups whose objects a controller rewrites while it works: their being there is what counts. */
const RESTLESS = /(^|\.)(fluxcd\.io|k8s\.io)$|^(apps|batch|autoscaling|policy)$/;

/** What a person put into an object, where nobody else changes it: data, rules, subjects, and the spec of custom resources. */
function contentOf(object: KubeObject): unknown {
  const { kind, data } = object;
  const more = object as Readonly<Record<string, unknown>>;
  if (kind === 'Secret' || kind === 'ConfigMap') return { data, binaryData: more['binaryData'], type: more['type'] };
  if (/^(Cluster)?Role(Binding)?$/.test(kind)) return { rules: more['rules'], roleRef: more['roleRef'], subjects: more['subjects'] };
  const group = String(more['apiVersion'] ?? '').split('/').length > 1 ? String(more['apiVersion']).split('/')[0]! : '';
  return group !== '' && !RESTLESS.test(group) ? object.spec : undefined;
}

function stable(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => (typeof each === 'object' && each !== null && !Array.isArray(each)
    ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1))) : each)) ?? '';
}
