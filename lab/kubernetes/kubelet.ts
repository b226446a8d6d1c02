import { randomUUID } from 'node:crypto';
import { createIfMissing, kubeClient, type KubeClient } from './client.ts';
import { nodeLabels, nodeObject, nodeStatus, type BootIdentity } from './node-object.ts';
import { pause } from './secure-client.ts';
import type { KubeletMaterial } from './types.ts';

/** `bootId` and `machineId` are shown in nodeInfo (fresh ones unless told); the signal ends the kubelet as stop() does. */
export type KubeletOptions = {
  readonly material: KubeletMaterial;
  readonly bootId?: string;
  readonly machineId?: string;
  readonly signal?: AbortSignal;
};

/** The kubelet stand-in of one board. */
export type Kubelet = {
  /** True once the Node is registered and was posted Ready by this kubelet. */
  registered(): boolean;
  /** Ends the heartbeats at once, as a power cut: the Node stays, and goes NotReady when its Lease runs out. */
  stop(): Promise<void>;
};

/** A kubelet renews its Lease every 10 s, posts its status every 5 min, and tries again often while it cannot. */
const LEASE_MS = 10_000;
const STATUS_MS = 300_000;
const RETRY_MS = 250;
const LEASE_SECONDS = 40;

/**
 * Starts the stand-in: registers the Node with the bootstrap token, posts Ready, renews the Lease; tries without end while the
 * API server is not there. It runs no pods (workloads.ts tells what runs for real). A real kubelet would trade the token for
 * its own certificate; see bootstrap-objects.ts. Never throws.
 */
export function startKubelet(options: KubeletOptions): Kubelet {
  const { material } = options;
  const identity: BootIdentity = { bootId: options.bootId ?? randomUUID(), machineId: options.machineId ?? randomUUID().replaceAll('-', '') };
  const client = kubeClient({ url: new URL(material.endpoint).origin, ca: material.caCrt, token: material.bootstrapToken });
  const ended = new AbortController();
  const signal = options.signal === undefined ? ended.signal : AbortSignal.any([ended.signal, options.signal]);
  let registered = false;
  const run = async (): Promise<void> => {
    const since = new Date().toISOString();
    let posted = 0;
    while (!signal.aborted) {
      const beat = await heartbeat(client, material, identity, since, Date.now() - posted > STATUS_MS, signal).catch(() => 'failed' as const);
      if (signal.aborted) return;
      if (beat === 'posted') posted = Date.now();
      if (beat !== 'failed') registered = true;
      if (beat === 'lost') posted = 0;
      await pause(beat === 'beaten' || beat === 'posted' ? LEASE_MS : RETRY_MS, signal);
    }
  };
  const running = run().finally(() => client.close());
  return { registered: () => registered, stop: async () => { ended.abort(); await running; } };
}

type Beat = 'posted' | 'beaten' | 'lost' | 'failed';

async function heartbeat(
  client: KubeClient, material: KubeletMaterial, identity: BootIdentity, since: string, post: boolean, signal: AbortSignal,
): Promise<Beat> {
  const path = `/api/v1/nodes/${material.nodeName}`;
  if (post) {
    await createIfMissing(client, '/api/v1/nodes', nodeObject(material));
    if (signal.aborted) return 'lost';
    await client.patch(path, nodeLabels(material));
    await client.patch(`${path}/status`, nodeStatus(material, identity, new Date().toISOString(), since), 'strategic-merge');
    await renewLease(client, material.nodeName);
    return 'posted';
  }
  await renewLease(client, material.nodeName);
  const node = await client.get<{ status?: { conditions?: { type: string; status: string }[] } }>(path);
  const ready = node.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
  return ready ? 'beaten' : 'lost';
}

/** The Lease holds microseconds. */
async function renewLease(client: KubeClient, name: string): Promise<void> {
  const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime };
  await createIfMissing(client, leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace: 'kube-node-lease' }, spec });
  await client.patch(`${leases}/${name}`, { spec });
}
