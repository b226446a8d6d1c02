import { kubeClient, KubeRefusal, type KubeClient, type KubeObject } from '../client.ts';
import type { RunningController } from '../controllers.ts';
import { follow } from '../follow.ts';
import { tellEvent } from '../pods/pod-event.ts';
import type { Container, Pod } from '../pods/pod-object.ts';
import type { ProgramStart } from '../pods/programs.ts';
import { pause } from '../secure-client.ts';
import { secretValues } from '../volumes/claims.ts';
import { chapOf, type NodeDriver } from '../volumes/drivers.ts';
import { provision, SYNOLOGY, synologyNode, synologyPlugin } from './synology.ts';

type Attachment = KubeObject & { readonly spec: { readonly attacher: string }; readonly status?: { readonly attached?: boolean } };
type Claim = KubeObject & {
  readonly spec: { readonly storageClassName?: string; readonly volumeName?: string; readonly accessModes?: readonly string[]; readonly volumeMode?: string; readonly resources?: { readonly requests?: { readonly storage?: string } } };
  readonly status?: { readonly phase?: string };
};
type StorageClass = KubeObject & { readonly provisioner: string; readonly parameters?: Readonly<Record<string, string>>; readonly reclaimPolicy?: string };

const AGAIN_MS = 4_000;
const PROVISIONER = 'volume.kubernetes.io/storage-provisioner';

/** kubernetes-csi/node-driver-registrar: the driver is the node's as long as this runs. */
export async function startRegistrar({ pod, container, node }: ProgramStart): Promise<RunningController> {
  const path = expanded(container, '--kubelet-registration-path=');
  const name = /\/plugins\/([^/]+)\//.exec(path ?? '')?.[1];
  if (name === undefined) throw new Error(`no driver can be told from ${path ?? 'the arguments'}`);
  await node.registry.register(name, nodeDriver(name, pod));
  return inProcess(async () => {}, async (how) => { if (how === 'stop') await node.registry.unregister(name).catch(() => {}); });
}

/**
 * kubernetes-csi/external-attacher for a driver without ControllerPublishVolume: every attachment is attached at once
 * (pkg/controller/trivial_handler.go). Whose attachments are its own is told by the driver beside it: Synology's or democratic-csi.
 */
export async function startAttacher(start: ProgramStart): Promise<RunningController> {
  const client = ownClient(start);
  const driver = driverIn(start.pod);
  return inProcess((signal) => follow<Attachment>(client, '/apis/storage.k8s.io/v1/volumeattachments', signal, async ({ changed }) => {
    for (const { metadata, spec, status } of changed) {
      if (spec.attacher !== driver || status?.attached) continue;
      await gone(client.patch(`/apis/storage.k8s.io/v1/volumeattachments/${metadata.name}/status`, { status: { attached: true } }));
    }
  }), async () => client.close());
}

/** kubernetes-csi/external-provisioner: makes a volume for each claim of a class of Synology's driver. */
export async function startProvisioner(start: ProgramStart): Promise<RunningController> {
  const client = ownClient(start);
  return inProcess((signal) => follow<Claim>(client, '/api/v1/persistentvolumeclaims', signal, async ({ changed }) => {
    for (const claim of changed) {
      if (driverIn(start.pod) !== SYNOLOGY || claim.spec.volumeName !== undefined || claim.metadata.annotations?.[PROVISIONER] !== SYNOLOGY) continue;
      await makeVolume(client, start, claim).catch(async (error: Error) => {
        await tellEvent(client, { ...claim, kind: 'PersistentVolumeClaim' }, 'Warning', 'ProvisioningFailed', `failed to provision volume with StorageClass "${claim.spec.storageClassName}": ${error.message}`, SYNOLOGY);
        await pause(AGAIN_MS, signal);
        throw error;
      });
    }
  }), async () => client.close());
}

async function makeVolume(client: KubeClient, start: ProgramStart, claim: Claim): Promise<void> {
  const { name, namespace, uid, resourceVersion } = claim.metadata;
  const kind = await client.get<StorageClass>(`/apis/storage.k8s.io/v1/storageclasses/${claim.spec.storageClassName}`);
  const storage = claim.spec.resources?.requests?.storage ?? '1Gi';
  const { dsm, location, fsType, 'csi.storage.k8s.io/fstype': csiType } = kind.parameters ?? {};
  const volume = `pvc-${uid}`;
  const { handle, attributes } = await provision(start.pod, start.node.client, {
    name: volume, bytes: bytesOf(storage), ...(dsm === undefined ? {} : { dsm }), ...(location === undefined ? {} : { location }),
  });
  const made = client.create('/api/v1/persistentvolumes', {
    apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: volume, annotations: { 'pv.kubernetes.io/provisioned-by': SYNOLOGY } },
    spec: {
      capacity: { storage }, accessModes: claim.spec.accessModes, volumeMode: claim.spec.volumeMode ?? 'Filesystem',
      persistentVolumeReclaimPolicy: kind.reclaimPolicy ?? 'Delete', storageClassName: claim.spec.storageClassName,
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion },
      csi: { driver: SYNOLOGY, volumeHandle: handle, fsType: csiType ?? fsType ?? 'ext4', volumeAttributes: attributes },
    },
  });
  await gone(made);
}

/** The name of the driver that runs in a pod, as the sidecars would ask it over the pod's socket. */
function driverIn(pod: Pod): string | undefined {
  if (synologyPlugin(pod)) return SYNOLOGY;
  return pod.spec.containers.flatMap(({ args = [] }) => args).find((arg) => arg.startsWith('--csi-name='))?.slice('--csi-name='.length);
}

function nodeDriver(name: string, pod: Pod): NodeDriver {
  if (name === SYNOLOGY) return synologyNode(pod);
  // democratic-csi's driver for volumes that somebody else made (examples/node-manual-iscsi-pv.yaml).
  if (name === 'org.democratic-csi.node-manual') {
    return { locate: async ({ source: { csi }, namespace }, client) => {
      const { portal = '', iqn = '', lun = '0' } = csi?.volumeAttributes ?? {};
      const values = csi?.nodeStageSecretRef ? await secretValues(client, csi.nodeStageSecretRef, namespace) : {};
      const chap = Object.fromEntries(Object.entries(values).map(([key, value]) => [key.replace(/^node-db\./, ''), value]));
      return { login: { portal, iqn, ...chapOf(chap) }, lun: Number(lun) };
    } };
  }
  return { locate: async () => undefined };
}

/** A container's argument by its beginning, with `$(NAME)` filled in from its environment. */
function expanded({ args = [], env = [] }: Container, start: string): string | undefined {
  const text = args.find((arg) => arg.startsWith(start))?.slice(start.length);
  return text?.replace(/\$\((\w+)\)/g, (whole, name) => env.find((each) => each.name === name)?.value ?? whole);
}

function ownClient({ access }: ProgramStart): KubeClient {
  return kubeClient({ url: new URL(access.endpoint).origin, ca: access.caCrt, token: access.token });
}

/** Lets go that an object is there already, is there no more, or changed meanwhile. */
async function gone(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof KubeRefusal && [404, 409].includes(error.status))) throw error;
  });
}

function inProcess(work: (signal: AbortSignal) => Promise<void>, after: (how: 'stop' | 'kill') => Promise<void>): RunningController {
  const ended = new AbortController();
  const over = Promise.withResolvers<void>();
  const running = work(ended.signal);
  const end = (how: 'stop' | 'kill') => async (): Promise<void> => {
    ended.abort();
    await running;
    await after(how);
    over.resolve();
  };
  return { ready: async () => true, exited: over.promise, stop: end('stop'), kill: end('kill') };
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3, Ti: 1024 ** 4 };

function bytesOf(quantity: string): number {
  const [, number = '0', unit = ''] = /^([\d.]+)(\w*)$/.exec(quantity) ?? [];
  return Math.ceil(Number(number) * (UNITS[unit] ?? 1));
}
