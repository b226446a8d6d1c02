import { KubeRefusal, type KubeClient, type KubeObject } from '../client.ts';
import type { Pod } from '../pods/pod-object.ts';

/** The parts of a PersistentVolume's source that a node reads. */
export type VolumeSource = {
  readonly iscsi?: {
    readonly targetPortal: string;
    readonly iqn: string;
    readonly lun: number;
    readonly chapAuthSession?: boolean;
    readonly secretRef?: SecretReference;
    readonly initiatorName?: string;
  };
  readonly csi?: {
    readonly driver: string;
    readonly volumeHandle: string;
    readonly readOnly?: boolean;
    readonly volumeAttributes?: Readonly<Record<string, string>>;
    readonly nodeStageSecretRef?: SecretReference;
  };
};

/** A Secret; the namespace is the claim's where left out. */
export type SecretReference = { readonly name: string; readonly namespace?: string };

/** A volume of a pod that is a bound claim. */
export type BoundClaim = {
  /** As the pod calls it. */
  readonly volume: string;
  readonly namespace: string;
  readonly claim: string;
  readonly persistentVolume: string;
  readonly source: VolumeSource;
  readonly readOnly: boolean;
};

type Claim = KubeObject & { readonly spec: { readonly volumeName?: string }; readonly status?: { readonly phase?: string } };
type PersistentVolume = KubeObject & { readonly spec: VolumeSource };

/**
 * The claims of a pod with what they are bound to, in the pod's order; generic ephemeral volumes are claims too. A text where one is
 * not bound yet. Throws KubeRefusal for what is missing, the connection's error.
 */
export async function boundClaims(client: KubeClient, pod: Pod): Promise<readonly BoundClaim[] | string> {
  const { namespace = 'default' } = pod.metadata;
  const bound: BoundClaim[] = [];
  for (const { name: volume, persistentVolumeClaim, ephemeral } of pod.spec.volumes ?? []) {
    const claim = persistentVolumeClaim?.claimName ?? (ephemeral && `${pod.metadata.name}-${volume}`);
    if (claim === undefined) continue;
    const { spec, status } = await client.get<Claim>(`/api/v1/namespaces/${namespace}/persistentvolumeclaims/${claim}`);
    if (spec.volumeName === undefined || status?.phase !== 'Bound') return `persistentvolumeclaim "${claim}" is not bound`;
    const { spec: source } = await client.get<PersistentVolume>(`/api/v1/persistentvolumes/${spec.volumeName}`);
    bound.push({ volume, namespace, claim, persistentVolume: spec.volumeName, source, readOnly: persistentVolumeClaim?.readOnly ?? source.csi?.readOnly ?? false });
  }
  return bound;
}

/** A Secret's values as text. Throws KubeRefusal. */
export async function secretValues(client: KubeClient, reference: SecretReference, namespace: string): Promise<Readonly<Record<string, string>>> {
  const { data } = await client.get<KubeObject & { data?: Record<string, string> }>(`/api/v1/namespaces/${reference.namespace ?? namespace}/secrets/${reference.name}`);
  return Object.fromEntries(Object.entries(data ?? {}).map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]));
}

/** The name under which Kubernetes attaches a volume to a node, or undefined for a kind that needs no attaching here. */
export function attachName({ iscsi, csi }: VolumeSource): string | undefined {
  if (iscsi) return `kubernetes.io/iscsi/${iscsi.targetPortal}:${iscsi.iqn}:${iscsi.lun}`;
  if (csi) return `kubernetes.io/csi/${csi.driver}^${csi.volumeHandle}`;
  return undefined;
}

/** Whether the driver has its volumes attached by the controller (CSIDriver.spec.attachRequired; true where there is no such object). */
export async function mustAttach(client: KubeClient, { csi }: VolumeSource): Promise<boolean> {
  if (!csi) return true;
  type Driver = KubeObject & { spec?: { attachRequired?: boolean } };
  const driver = await client.get<Driver>(`/apis/storage.k8s.io/v1/csidrivers/${csi.driver}`).catch((error: unknown) => {
    if (error instanceof KubeRefusal && error.status === 404) return undefined;
    throw error;
  });
  return driver?.spec?.attachRequired ?? true;
}
