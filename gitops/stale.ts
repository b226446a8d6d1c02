import type { Host } from '../lib/host.ts';
import { getObjects, kubectl, type KubeObject } from './kubectl.ts';

/** An object of a machine that is no more. `kind` as kubectl takes it; `why` for people. */
export type Stale = { readonly kind: string; readonly namespace?: string; readonly name: string; readonly why: string };

/** What of a cluster is stale, and which Nodes are not declared and yet live. */
export type Staleness = { readonly stale: readonly Stale[]; readonly strangers: readonly string[] };

/** A kubelet renews its Lease every 10 s; one that has not for this long, in milliseconds, is gone (Kubernetes: node leases, 40 s). */
const SILENT_MS = 60_000;

/**
 * What an old state of etcd brought back that is of nobody: Nodes that are not declared and don't beat, and what hangs on Nodes that
 * are not there: VolumeAttachments, Pods, Leases. `now` is milliseconds since 1970. To be asked once every declared node is Ready,
 * since only then a Node that lives has beaten again. Changes nothing. Throws what kubectl throws.
 */
export async function observeStale(host: Host, kubeconfig: string, declared: readonly string[], now: number): Promise<Staleness> {
  const [nodes, leases, attachments, pods] = await Promise.all([
    getObjects(host, kubeconfig, ['nodes']), getObjects(host, kubeconfig, ['leases.coordination.k8s.io', '-n', 'kube-node-lease']),
    getObjects(host, kubeconfig, ['volumeattachments.storage.k8s.io']), getObjects(host, kubeconfig, ['pods', '--all-namespaces']),
  ]);
  return judgeStale({ nodes, leases, attachments, pods }, declared, now);
}

/** The objects that staleness is judged by. */
export type Seen = { readonly nodes: readonly KubeObject[]; readonly leases: readonly KubeObject[]; readonly attachments: readonly KubeObject[]; readonly pods: readonly KubeObject[] };

/** The pure part of `observeStale`. What is already being deleted counts as gone, but for Pods: nobody is left to end those. */
export function judgeStale({ nodes, leases, attachments, pods }: Seen, declared: readonly string[], now: number): Staleness {
  const beats = new Map(leases.map((lease) => [lease.metadata.name, Date.parse(String(lease.spec?.['renewTime'] ?? ''))]));
  const undeclared = nodes.map((node) => node.metadata.name).filter((name) => !declared.includes(name));
  // The machines' clocks are what Leases are written by; this one may be ahead of them.
  const at = Math.min(now, Math.max(...[...beats.values()].filter((beat) => !Number.isNaN(beat)), Number.NEGATIVE_INFINITY));
  const strangers = undeclared.filter((name) => at - (beats.get(name) ?? Number.NEGATIVE_INFINITY) < SILENT_MS);
  const there = new Set(nodes.map((node) => node.metadata.name).filter((name) => declared.includes(name) || strangers.includes(name)));
  const on = (object: KubeObject): string | undefined => object.spec?.['nodeName'] as string | undefined;
  const going = ({ metadata }: KubeObject): boolean => metadata['deletionTimestamp'] !== undefined;
  const gone = (objects: readonly KubeObject[]): KubeObject[] => objects.filter((object) => on(object) !== undefined && !there.has(on(object)!));
  return {
    strangers,
    stale: [
      ...undeclared.filter((name) => !strangers.includes(name)).map((name) => ({ kind: 'node', name, why: 'it is not declared and does not answer' })),
      ...gone(attachments).filter((each) => !going(each)).map((each) => ({ kind: 'volumeattachment', name: each.metadata.name, why: `it attaches to ${on(each)}, which is gone` })),
      ...gone(pods).map((pod) => ({ kind: 'pod', namespace: pod.metadata.namespace ?? 'default', name: pod.metadata.name, why: `it ran on ${on(pod)}, which is gone` })),
      ...leases.filter((lease) => !there.has(lease.metadata.name) && !going(lease)).map((lease) => ({ kind: 'lease', namespace: 'kube-node-lease', name: lease.metadata.name, why: `${lease.metadata.name} is gone` })),
    ],
  };
}

/** Deletes what is stale, each told (`stale.deleted`); pods without waiting for a kubelet that is no more. Throws what kubectl throws. */
export async function removeStale(host: Host, kubeconfig: string, stale: readonly Stale[]): Promise<void> {
  for (const { kind, namespace, name, why } of stale) {
    const place = namespace === undefined ? [] : ['-n', namespace];
    await kubectl(host, kubeconfig, ['delete', kind, name, ...place, '--ignore-not-found', '--wait=false', ...(kind === 'pod' ? ['--grace-period=0', '--force'] : [])]);
    host.emit({ code: 'stale.deleted', message: `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name} deleted: ${why}` });
  }
}
