import type { KubeClient, KubeObject } from './client.ts';
import { pause } from './secure-client.ts';

type Condition = { readonly type: string; readonly status: string; readonly reason?: string; readonly message?: string; readonly lastTransitionTime?: string };
type Taint = { readonly key: string; readonly effect: string; readonly value?: string; readonly timeAdded?: string };
type Node = KubeObject & { readonly spec?: { readonly taints?: readonly Taint[] }; readonly status?: { readonly conditions?: readonly Condition[] } };
type Lease = KubeObject & { readonly spec?: { readonly renewTime?: string } };

/** kube-controller-manager 1.32 and later: `--node-monitor-grace-period=50s`, looked at every 5 s. */
const GRACE_MS = 50_000;
const CONDITIONS = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];
const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';

/**
 * The part of kube-controller-manager's node lifecycle controller that shows: a node whose Lease is not renewed for `graceMs`
 * gets its conditions Unknown (NodeStatusUnknown) and the unreachable taints; a Ready node loses the taints. Pods are not
 * evicted. Runs until the signal fires; failures are retried at the next look. With several control planes each looks:
 * the writes are the same.
 */
export async function watchNodeHealth(options: { client: KubeClient; signal: AbortSignal; graceMs?: number | undefined }): Promise<void> {
  const graceMs = options.graceMs ?? GRACE_MS;
  const firstSeen = new Map<string, number>();
  do {
    await lookAtAll(options.client, graceMs, firstSeen).catch(() => {});
  } while (await pause(Math.min(1_000, graceMs / 4), options.signal));
}

async function lookAtAll(client: KubeClient, graceMs: number, firstSeen: Map<string, number>): Promise<void> {
  const nodes = await client.list<Node>('/api/v1/nodes');
  const leases = await client.list<Lease>('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases');
  const renewed = new Map(leases.items.map((lease) => [lease.metadata.name, Date.parse(lease.spec?.renewTime ?? '')]));
  for (const node of nodes.items) {
    const name = node.metadata.name;
    if (!firstSeen.has(name)) firstSeen.set(name, Date.now());
    // A lease older than our own start may be a restored or restarted cluster's: every node gets a full grace from us too.
    const last = Math.max(renewed.get(name) ?? 0, firstSeen.get(name) ?? 0);
    if (Date.now() - last > graceMs) await markUnknown(client, node);
    else if (conditionOf(node, 'Ready') === 'True') await dropTaints(client, node);
  }
}

async function markUnknown(client: KubeClient, node: Node): Promise<void> {
  const path = `/api/v1/nodes/${node.metadata.name}`;
  if (conditionOf(node, 'Ready') !== 'Unknown') {
    const now = new Date().toISOString();
    const conditions = CONDITIONS.map((type) => ({
      type, status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.', lastTransitionTime: now,
    }));
    await client.patch(`${path}/status`, { status: { conditions } }, 'strategic-merge');
  }
  const taints = (node.spec?.taints ?? []).filter((taint) => taint.key !== NOT_READY);
  if (taints.some((taint) => taint.key === UNREACHABLE)) return;
  const timeAdded = new Date().toISOString();
  const added = ['NoSchedule', 'NoExecute'].map((effect) => ({ key: UNREACHABLE, effect, timeAdded }));
  await client.patch(path, { spec: { taints: [...taints, ...added] } });
}

async function dropTaints(client: KubeClient, node: Node): Promise<void> {
  const taints = node.spec?.taints ?? [];
  const kept = taints.filter((taint) => taint.key !== NOT_READY && taint.key !== UNREACHABLE);
  if (kept.length < taints.length) await client.patch(`/api/v1/nodes/${node.metadata.name}`, { spec: { taints: kept } });
}

function conditionOf(node: Node, type: string): string | undefined {
  return node.status?.conditions?.find((condition) => condition.type === type)?.status;
}
