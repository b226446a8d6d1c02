import type { Claim, Cluster, Lun, Nas } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { workloadsIsolated } from '../nodes/isolation.ts';

/** A LUN that is there, for a claim: what the NAS said of it. */
export type ClaimedLun = {
  readonly lun: Lun;
  readonly claim: Claim;
  /** DSM's uuid of the LUN, as the LUN itself tells it. */
  readonly uuid: string;
  /** Its logical unit number behind its target. */
  readonly number: number;
};

/** Where the Secrets with CHAP credentials lie: a namespace apart, so that who may read an application's Secrets can't read them. */
export const VOLUME_NAMESPACE = 'nas-volumes';

/** The storage class of declared LUNs. Nothing makes volumes of it: a claim of this class is bound to a declared LUN or waits. */
export const LUN_CLASS = 'nas-lun';

/** On a PersistentVolume: the uuid of its LUN. */
export const UUID_ANNOTATION = 'firstlight.dev/lun-uuid';

/** The CSI driver for nodes whose kubelet can't reach iscsid (democratic-csi/democratic-csi: examples/node-manual-iscsi-pv.yaml). */
export const NODE_MANUAL = 'org.democratic-csi.node-manual';

/**
 * The PersistentVolume of a declared LUN: named after it, kept for its claim alone, never deleted with it, neither by
 * Kubernetes nor by Flux, so that a cluster made anew finds its data again. See docs/decisions/0011.
 */
export function persistentVolume(cluster: Pick<Cluster, 'talos'>, nas: Nas, volume: ClaimedLun): object {
  const { lun, claim, uuid } = volume;
  return {
    apiVersion: 'v1', kind: 'PersistentVolume',
    metadata: {
      name: lun.name,
      annotations: { [UUID_ANNOTATION]: uuid, 'kustomize.toolkit.fluxcd.io/prune': 'disabled' },
    },
    spec: {
      capacity: { storage: quantity(lun.bytes) },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: LUN_CLASS,
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: claim.namespace, name: claim.name },
      ...(workloadsIsolated(cluster) ? { csi: csiSource(nas, volume) } : { iscsi: iscsiSource(nas, volume) }),
    },
  };
}

/** The Secret with the LUN's CHAP user and secret, in the clear, in the form its volume reads. */
export function chapSecret(cluster: Pick<Cluster, 'talos'>, lun: Lun, credentials: Pick<Credentials, 'chap' | 'mutualChap'>): object {
  const keys: Record<string, string> = { 'node.session.auth.username': lun.user, 'node.session.auth.password': credentials.chap[lun.name] ?? '' };
  if (lun.mutualUser !== undefined) {
    Object.assign(keys, { 'node.session.auth.username_in': lun.mutualUser, 'node.session.auth.password_in': credentials.mutualChap?.[lun.name] ?? '' });
  }
  const metadata = { name: secretName(lun), namespace: VOLUME_NAMESPACE };
  if (!workloadsIsolated(cluster)) return { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/iscsi-chap', metadata, stringData: keys };
  const entries = Object.entries({ 'node.session.auth.authmethod': 'CHAP', ...keys }).map(([key, value]) => [`node-db.${key}`, value]);
  return { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata, stringData: Object.fromEntries(entries) as Record<string, string> };
}

function secretName(lun: Lun): string {
  return `${lun.name}-chap`;
}

/** Kubernetes' own iSCSI volume, which the kubelet mounts (kubernetes/kubernetes:pkg/volume/iscsi). */
function iscsiSource(nas: Nas, { lun, claim, number }: ClaimedLun): object {
  return {
    targetPortal: `${nas.address}:${nas.iscsiPort}`, iqn: lun.iqn, lun: number, fsType: claim.fsType,
    chapAuthSession: true, secretRef: { name: secretName(lun), namespace: VOLUME_NAMESPACE },
  };
}

function csiSource(nas: Nas, { lun, claim, uuid, number }: ClaimedLun): object {
  return {
    driver: NODE_MANUAL, volumeHandle: uuid, fsType: claim.fsType,
    volumeAttributes: {
      portal: `${nas.address}:${nas.iscsiPort}`, iqn: lun.iqn, lun: String(number),
      node_attach_driver: 'iscsi', provisioner_driver: 'node-manual',
    },
    nodeStageSecretRef: { name: secretName(lun), namespace: VOLUME_NAMESPACE },
  };
}

/** Whole GiB or MiB, as the API server writes them back. */
function quantity(bytes: number): string {
  for (const [unit, size] of [['Ti', 2 ** 40], ['Gi', 2 ** 30], ['Mi', 2 ** 20]] as const) if (bytes % size === 0) return `${bytes / size}${unit}`;
  return String(bytes);
}
