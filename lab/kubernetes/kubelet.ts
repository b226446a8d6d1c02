import { randomUUID } from 'node:crypto';
import { createIfMissing, kubeClient, type KubeClient } from './client.ts';
import { nodeLabels, nodeObject, nodeStatus, type BootIdentity } from './node-object.ts';
import { pause } from './secure-client.ts';
import type { KubeletMaterial } from './types.ts';
import { eitherSignal } from '../../lib/signals.ts';

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
const LOST_MS = 1_000;
const LEASE_SECONDS = 40;

/**
 * Starts the stand-in: registers the Node with the bootstrap token, posts Ready, renews the Lease; tries without end while the
 * API server is not there. It runs no pods (workloads.ts tells what runs for real). A real kubelet would trade the token for
 * its own certificate; see bootstrap-objects.ts. As a real one it registers once in its life: a Node that is deleted comes back
 * only with the next start. Never throws.
 */
export function startKubelet(options: KubeletOptions): Kubelet {
  const { material } = options;
  const identity: BootIdentity = { bootId: options.bootId ?? randomUUID(), machineId: options.machineId ?? randomUUID().replaceAll('-', '') };
  const client = kubeClient({ url: new URL(material.endpoint).origin, ca: material.caCrt, token: material.bootstrapToken });
  const ended = new AbortController();
  const signal = options.signal === undefined ? ended.signal : eitherSignal(ended.signal, options.signal);
  let registered = false;
  signal.addEventListener('abort', () => client.close(), { once: true });
  const run = async (): Promise<void> => {
    const since = new Date().toISOString();
    let posted = 0;
    while (!signal.aborted) {
      const beat = await heartbeat({ client, material, identity, since, first: !registered, post: Date.now() - posted > STATUS_MS }).catch(() => 'failed' as const);
      if (signal.aborted) return;
      if (beat === 'posted') posted = Date.now();
      if (beat !== 'failed') registered = true;
      if (beat === 'lost') posted = 0;
      await pause(beat === 'failed' || beat === 'lost' ? (registered ? LOST_MS : RETRY_MS) : LEASE_MS, signal);
    }
  };
  const running = run();
  return { registered: () => registered, stop: async () => { ended.abort(); await running; } };
}

type Beat = 'posted' | 'beaten' | 'lost' | 'failed';

/** One heartbeat: `first` registers, `post` writes the whole status. `lost`: someone marked the Node not Ready. */
async function heartbeat(of: {
  client: KubeClient; material: KubeletMaterial; identity: BootIdentity; since: string; first: boolean; post: boolean;
}): Promise<Beat> {
  const { client, material } = of;
  const path = `/api/v1/nodes/${material.nodeName}`;
  if (of.first) {
    await createIfMissing(client, '/api/v1/nodes', nodeObject(material));
    await client.patch(path, nodeLabels(material));
  }
  if (of.post) {
    await client.patch(`${path}/status`, nodeStatus(material, of.identity, new Date().toISOString(), of.since), 'strategic-merge');
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
