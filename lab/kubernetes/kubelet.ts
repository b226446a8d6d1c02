import { randomUUID } from 'node:crypto';
import { eitherSignal } from '../../lib/signals.ts';
import { createIfMissing, kubeClient, type KubeClient, type KubeObject } from './client.ts';
import { createDriverRegistry } from './csi/registry.ts';
import { nodeCertificate } from './node-certificate.ts';
import { nodeLabels, nodeObject, nodeStatus, type BootIdentity } from './node-object.ts';
import type { Pod } from './pods/pod-object.ts';
import { runPods, type Pods } from './pods/pods.ts';
import { pause } from './secure-client.ts';
import type { KubeletMaterial } from './types.ts';
import { createNodeVolumes, type Mount, type NodeVolumes } from './volumes/node-volumes.ts';

/** `bootId` and `machineId` are shown in nodeInfo (fresh ones unless told); the signal ends the kubelet, as end() does. */
export type KubeletOptions = {
  readonly material: KubeletMaterial;
  /** Scratch for what the pods run. */
  readonly folder: string;
  /** `/var/lib/kubelet` on the card: outlives a reboot. */
  readonly stateFolder: string;
  readonly programs: ReadonlyMap<string, string>;
  readonly bootId?: string;
  readonly machineId?: string;
  /** The node's iSCSI initiator name; none where iscsiadm is not installed. */
  readonly initiator?: string;
  readonly signal?: AbortSignal;
  /** Hears of every claim that is mounted here. */
  readonly onMount?: (mount: Mount) => void;
  /** Between two renewals of its Lease; 10 s unless told. */
  readonly leaseMs?: number;
  /** Where git and ssh are found; the usual folders unless told. */
  readonly path?: string;
  /** PEM of the authorities that containers trust besides the public ones. */
  readonly authorities?: string;
};

/** The kubelet stand-in of one board. */
export type Kubelet = {
  /** True once the Node is registered and was posted Ready by this kubelet. */
  registered(): boolean;
  /** The pods that run here. */
  pods(): readonly Pod[];
  /** Restarts the kubelet alone, as `talosctl service kubelet restart` does: it registers anew, its pods and their volumes live on. */
  restart(): void;
  /** Ends the heartbeats at once and all that the pods run: the Node stays, and goes NotReady when its Lease runs out. */
  end(how: 'stop' | 'kill'): Promise<void>;
};

/** A kubelet renews its Lease every 10 s, posts its status every 5 min, and tries again often while it cannot. */
const LEASE_MS = 10_000;
const STATUS_MS = 300_000;
const RETRY_MS = 250;
const LOST_MS = 1_000;
const LEASE_SECONDS = 40;
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

type Session = { readonly client: KubeClient; readonly pods: Pods; readonly volumes: NodeVolumes };

/**
 * Starts the stand-in: trades the bootstrap token for a certificate of its own, registers the Node, posts Ready, renews the Lease,
 * and lives the lives of its pods (pods/pods.ts); tries without end while the API server is not there. As a real one it registers
 * once in its life: a Node that is deleted comes back only with the next start or restart. Pods whose objects are gone end. Never throws.
 */
export function startKubelet(options: KubeletOptions): Kubelet {
  const { material } = options;
  const identity: BootIdentity = { bootId: options.bootId ?? randomUUID(), machineId: options.machineId ?? randomUUID().replaceAll('-', '') };
  const ended = new AbortController();
  const signal = options.signal === undefined ? ended.signal : eitherSignal(ended.signal, options.signal);
  const since = new Date().toISOString();
  let session: Session | undefined;
  let registered = false;
  let restarted = new AbortController();
  let wake = eitherSignal(signal, restarted.signal);
  const begin = async (): Promise<Session> => {
    const pair = await nodeCertificate(material, `${options.stateFolder}/pki`, signal);
    const client = kubeClient({ url: new URL(material.endpoint).origin, ca: material.caCrt, ...pair });
    try {
      await register(client, material);
      await postStatus(client, material, identity, since, true);
      signal.throwIfAborted();
    } catch (error) {
      client.close();
      throw error;
    }
    const registry = createDriverRegistry(client, material.nodeName);
    const volumes = createNodeVolumes({
      client, nodeName: material.nodeName, address: material.address, cluster: material.clusterName, initiator: options.initiator,
      drivers: registry.drivers, iscsiFault: material.iscsiFault, told: options.onMount,
    });
    return { client, volumes, pods: runPods({
      client, signal, endpoint: material.endpoint, caCrt: material.caCrt, folder: options.folder, address: material.address, bootId: identity.bootId,
      programs: options.programs, path: options.path ?? DEFAULT_PATH, volumes, registry, podIp: podAddresses(client, material.nodeName),
      ...(options.authorities === undefined ? {} : { authorities: options.authorities }),
    }, material.nodeName) };
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted && !session) {
      session = await begin().catch(() => undefined);
      if (!session) await pause(RETRY_MS, signal);
    }
    registered = session !== undefined;
    let posted = Date.now();
    while (session && !signal.aborted) {
      await pause(posted === 0 ? LOST_MS : options.leaseMs ?? LEASE_MS, wake);
      if (signal.aborted) return;
      if (restarted.signal.aborted) {
        const { client, volumes } = session;
        if (!await registerAgain(client, material, identity, since, volumes).then(() => true, () => false)) {
          await pause(RETRY_MS, signal);
          continue;
        }
        restarted = new AbortController();
        wake = eitherSignal(signal, restarted.signal);
        registered = true;
        posted = Date.now();
        continue;
      }
      const beat = await heartbeat(session.client, material, identity, since, Date.now() - posted > STATUS_MS).catch(() => 'lost' as const);
      if (beat === 'posted') posted = Date.now();
      if (beat === 'lost') posted = 0;
    }
  };
  const running = run();
  return {
    registered: () => registered,
    pods: () => session?.pods.living() ?? [],
    restart: () => {
      // Before its first registration there is nothing to do anew.
      if (session) registered = false;
      restarted.abort();
    },
    end: async (how) => {
      ended.abort();
      await running;
      session?.client.close();
      await session?.volumes.end(how);
      await session?.pods.end(how);
    },
  };
}

async function register(client: KubeClient, material: KubeletMaterial): Promise<void> {
  await createIfMissing(client, '/api/v1/nodes', nodeObject(material));
  await client.patch(`/api/v1/nodes/${material.nodeName}`, nodeLabels(material));
}

async function registerAgain(client: KubeClient, material: KubeletMaterial, identity: BootIdentity, since: string, volumes: NodeVolumes): Promise<void> {
  await register(client, material);
  await postStatus(client, material, identity, since, false);
  await volumes.tell();
}

async function postStatus(client: KubeClient, material: KubeletMaterial, identity: BootIdentity, since: string, first: boolean): Promise<void> {
  const status = nodeStatus(material, identity, new Date().toISOString(), since, first);
  await client.patch(`/api/v1/nodes/${material.nodeName}/status`, status, 'strategic-merge');
  await renewLease(client, material.nodeName);
}

/** One heartbeat; `post` writes the whole status. `lost`: someone marked the Node not Ready. */
async function heartbeat(client: KubeClient, material: KubeletMaterial, identity: BootIdentity, since: string, post: boolean): Promise<'posted' | 'beaten' | 'lost'> {
  if (post) {
    await postStatus(client, material, identity, since, false);
    return 'posted';
  }
  await renewLease(client, material.nodeName);
  const node = await client.get<{ status?: { conditions?: { type: string; status: string }[] } }>(`/api/v1/nodes/${material.nodeName}`);
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

/** Gives each pod an address of the node's range, once the cluster has given the node one. */
function podAddresses(client: KubeClient, nodeName: string): (pod: Pod) => Promise<string | undefined> {
  const given = new Map<string | undefined, string>();
  let range: string | undefined;
  return async ({ metadata: { uid } }) => {
    range ??= (await client.get<KubeObject & { spec?: { podCIDR?: string } }>(`/api/v1/nodes/${nodeName}`).catch(() => undefined))?.spec?.podCIDR;
    if (range === undefined) return undefined;
    const address = given.get(uid) ?? range.replace(/\d+\/\d+$/, String(2 + (given.size % 250)));
    given.set(uid, address);
    return address;
  };
}
