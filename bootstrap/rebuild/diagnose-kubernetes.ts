import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { problem } from '../../lib/errors.ts';
import { writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { getObjects, tryKubectl, type KubeObject } from '../../gitops/kubectl.ts';
import { kubeconfig } from '../../talos/talosctl.ts';
import type { Facts } from '../facts.ts';
import type { KubernetesSight, NodeSight, PodSight } from './diagnosis.ts';

/**
 * What Kubernetes says of a node and of what hangs on it; changes nothing. The kubeconfig comes from one of the control planes that
 * `answer`, and is left in `facts.kubeconfig`: for the cluster's endpoint, or where that does not lead to an API server just now (it is
 * the dead control plane's own address), for a control plane itself. Throws `E_TALOS_…`, `E_KUBE_…`.
 */
export async function lookAtKubernetes(host: Host, facts: Facts, node: ClusterNode, answer: readonly ClusterNode[]): Promise<KubernetesSight> {
  const server = await reachApi(host, facts, answer);
  const [all, pods] = await Promise.all([
    getObjects(host, facts.kubeconfig, ['nodes,persistentvolumes,volumeattachments.storage.k8s.io,leases.coordination.k8s.io', '--all-namespaces']),
    getObjects(host, facts.kubeconfig, ['pods', '--all-namespaces', `--field-selector=spec.nodeName=${node.name}`]),
  ]);
  const of = (kind: string): readonly KubeObject[] => all.filter((each) => each.kind === kind);
  const found = of('Node').find((each) => each.metadata.name === node.name);
  const lease = of('Lease').find((each) => each.metadata.namespace === 'kube-node-lease' && each.metadata.name === node.name);
  return {
    server,
    ...(found === undefined ? {} : { node: sightOf(found, lease, node) }),
    pods: pods.filter((pod) => !['Succeeded', 'Failed'].includes(String(pod.status?.['phase']))).map(podOf),
    local: of('PersistentVolume').filter((volume) => liesOn(volume, node.name)).map((volume) => volume.metadata.name),
    attachments: of('VolumeAttachment').filter((each) => each.spec?.['nodeName'] === node.name).map((each) => ({
      name: each.metadata.name, volume: (each.spec?.['source'] as { persistentVolumeName?: string } | undefined)?.persistentVolumeName ?? '', attached: each.status?.['attached'] === true,
    })),
    ready: Object.fromEntries(of('Node').map((each) => [each.metadata.name, readiness(each).ready])),
  };
}

/** Gets a kubeconfig with which an API server answers; gives that server's URL. Throws `E_KUBE_UNREACHABLE`, `E_TALOS_…` with what the last one said. */
async function reachApi(host: Host, facts: Facts, answer: readonly ClusterNode[]): Promise<string> {
  const { endpoint } = facts.cluster.network;
  let last: unknown;
  for (const controlPlane of answer) {
    try {
      await kubeconfig(host, await facts.access(host, controlPlane), facts.kubeconfig);
      for (const server of [endpoint, `https://${controlPlane.address}:6443`]) {
        if (server !== endpoint) await pointAt(facts.kubeconfig, server);
        const { exitCode, stderr } = await tryKubectl(host, facts.kubeconfig, ['get', '--raw', '/readyz'], { requestSeconds: 4 });
        if (exitCode === 0) return server;
        last = problem('E_KUBE_UNREACHABLE', `${server}: ${host.mask.hide(stderr).trim().split('\n').at(-1) || 'no answer'}`, 'See that a control plane is up, and its etcd.');
      }
    } catch (error) {
      host.signal.throwIfAborted();
      last = error;
    }
  }
  throw last;
}

/** Turns a kubeconfig to another server; the certificates of an API server of Talos name its node's own addresses too (siderolabs/talos:internal/app/machined/pkg/controllers/secrets/kubernetes_cert_sans.go). */
async function pointAt(path: string, server: string): Promise<void> {
  const config = parse(await readFile(path, 'utf8')) as { clusters?: { cluster?: { server?: string } }[] };
  for (const { cluster } of config.clusters ?? []) if (cluster) cluster.server = server;
  await writeWhole(path, stringify(config), 0o600);
}

const Taint = z.looseObject({ key: z.string(), value: z.string().optional(), effect: z.string() });

function sightOf(found: KubeObject, lease: KubeObject | undefined, node: ClusterNode): NodeSight {
  const { ready, reason, at } = readiness(found);
  const renewed = Date.parse(String(lease?.spec?.['renewTime'] ?? ''));
  const heartbeat = Number.isNaN(renewed) ? at : renewed;
  const taints = z.array(Taint).safeParse(found.spec?.['taints']).data ?? [];
  return {
    ready, reason, cordoned: found.spec?.['unschedulable'] === true, labels: labelsByHand(found, node),
    taints: taints.filter(({ key }) => !isOwnTaint(key) && !owned(found, 'taints').has(key)).map(({ key, value, effect }) => `${key}${value ? `=${value}` : ''}:${effect}`),
    ...(heartbeat === undefined ? {} : { heartbeat }),
  };
}

function readiness(found: KubeObject): { readonly ready: boolean; readonly reason: string; readonly at?: number } {
  const condition = found.status?.conditions?.find((each) => each.type === 'Ready') as { status: string; reason?: string; lastHeartbeatTime?: unknown } | undefined;
  const at = Date.parse(String(condition?.lastHeartbeatTime ?? ''));
  return { ready: condition?.status === 'True', reason: condition?.reason ?? 'it never said that it is ready', ...(Number.isNaN(at) ? {} : { at }) };
}

/** Labels that kubelet, Talos and the cloud controllers set by themselves (kubernetes.io: "Well-Known Labels, Annotations and Taints"; Talos' extensions). */
const OWN_LABELS = /^(beta\.kubernetes\.io\/(arch|os|instance-type)|kubernetes\.io\/(arch|os|hostname)|node\.kubernetes\.io\/(instance-type|exclude-from-external-load-balancers)|node-role\.kubernetes\.io\/control-plane|(failure-domain\.beta|topology)\.kubernetes\.io\/(region|zone)|extensions\.talos\.dev\/.*)$/;

/** The labels that neither the inventory nor the machines themselves put there. */
function labelsByHand(found: KubeObject, node: ClusterNode): Readonly<Record<string, string>> {
  const talos = owned(found, 'labels');
  return Object.fromEntries(Object.entries(found.metadata.labels ?? {}).filter(([key]) => !OWN_LABELS.test(key) && !(key in node.labels) && !talos.has(key)));
}

/** Taints of Kubernetes' own controllers, and the one of a control plane. */
function isOwnTaint(key: string): boolean {
  return /^(node|node-role|node\.cloudprovider)\.kubernetes\.io\//.test(key);
}

/** What Talos notes as its own on a Node (siderolabs/talos:pkg/machinery/constants, AnnotationOwnedLabels and AnnotationOwnedTaints: a JSON list of keys). */
function owned(found: KubeObject, what: 'labels' | 'taints'): ReadonlySet<string> {
  const noted = (found.metadata['annotations'] as Readonly<Record<string, string>> | undefined)?.[`talos.dev/owned-${what}`];
  try {
    return new Set(noted === undefined ? [] : JSON.parse(noted) as string[]);
  } catch {
    return new Set();
  }
}

const Pod = z.looseObject({
  metadata: z.looseObject({ ownerReferences: z.array(z.looseObject({ kind: z.string(), controller: z.boolean().optional() })).optional(), annotations: z.record(z.string(), z.string()).optional() }),
  spec: z.looseObject({ volumes: z.array(z.looseObject({ emptyDir: z.unknown().optional(), persistentVolumeClaim: z.looseObject({ claimName: z.string() }).optional() })).optional() }).optional(),
});

function podOf(object: KubeObject): PodSight {
  const { metadata, spec } = Pod.parse(object);
  const owner = metadata.ownerReferences?.find((each) => each.controller)?.kind;
  const volumes = spec?.volumes ?? [];
  return {
    name: `${object.metadata.namespace ?? 'default'}/${object.metadata.name}`,
    bound: owner === 'DaemonSet' || owner === 'Node' || metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined,
    scratch: volumes.some((volume) => volume.emptyDir !== undefined), claims: volumes.flatMap((volume) => volume.persistentVolumeClaim?.claimName ?? []),
    ...(owner === undefined ? {} : { owner }),
  };
}

/** Whether a volume's data is on the node's own card: local, or a path of the host, and for this node alone. */
function liesOn(volume: KubeObject, node: string): boolean {
  const spec = volume.spec ?? {};
  return (spec['local'] !== undefined || spec['hostPath'] !== undefined) && JSON.stringify(spec['nodeAffinity'] ?? {}).includes(JSON.stringify(node));
}
