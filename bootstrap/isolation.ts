import type { Host } from '../lib/host.ts';
import { builtManifests, placeOf, type BuiltManifest } from '../gitops/manifests.ts';
import { NODE_MANUAL } from '../gitops/volume-manifests.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { knowsIsolation, workloadsIsolated } from '../nodes/isolation.ts';

/** Whether there is something to say of isolation: a NAS, and a Talos that knows it. */
export function isolationMatters(cluster: Cluster): boolean {
  return cluster.nas !== undefined && knowsIsolation(cluster.talos.version);
}

/**
 * What the isolation of workloads means for the cluster's iSCSI volumes, in words, with a warning (`; ! …`) where the repository's work
 * tree (`folder`; none without GitOps) lacks the driver for declared LUNs, and for each volume in it that a pod could not mount. Throws what `builtManifests` throws.
 */
export async function isolationReport(host: Host, cluster: Cluster, folder?: string): Promise<string> {
  if (!workloadsIsolated(cluster)) return 'workloads are not isolated: Kubernetes’ own iSCSI volumes work, with one wall less around every pod';
  const said = `Talos ${cluster.talos.version} isolates workloads: iSCSI volumes come by a CSI driver`;
  if (folder === undefined || cluster.gitops === undefined) return said;
  const built = await builtManifests(host, folder, cluster.gitops.path);
  const missing = claimsLackDriver(cluster, built) ? `; ! nothing in the repository brings the CSI driver ${NODE_MANUAL}, which is to mount the LUNs: list infrastructure/controllers/democratic-csi of firstlight's example homelab in infrastructure/secrets/${cluster.name}, or set talos.workloadIsolation: false` : '';
  const places: string[] = [];
  for (const manifest of built) for (const path of ownIscsi(manifest.object)) places.push(await told(folder, manifest, path));
  if (places.length === 0) return said + missing;
  return `${said}${missing}; ! no pod can mount ${places.join(', ')}: of Kubernetes’ own iSCSI plugin, which does not reach iscsid then. Make ${places.length === 1 ? 'it' : 'them'} of a CSI driver, or set talos.workloadIsolation: false`;
}

/** Whether LUNs are for claims, and nothing but their volumes speaks of the driver that is to mount them (a CSIDriver, or a Helm release's values). */
function claimsLackDriver(cluster: Cluster, built: readonly BuiltManifest[]): boolean {
  const claimed = cluster.nas?.luns.some((lun) => lun.claim !== undefined) === true;
  return claimed && !built.some(({ object }) => object['kind'] !== 'PersistentVolume' && JSON.stringify(object).includes(NODE_MANUAL));
}

async function told(folder: string, manifest: BuiltManifest, path: readonly (string | number)[]): Promise<string> {
  const { kind, metadata } = manifest.object as { kind?: unknown; metadata?: { name?: unknown } };
  const { file, line, col } = await placeOf(folder, manifest, path);
  return `${String(kind)} ${String(metadata?.name)}${file === undefined ? '' : ` (${[file, line, col].filter((part) => part !== undefined).join(':')})`}`;
}

/** Where an object uses Kubernetes' own iSCSI plugin: a PersistentVolume, or a volume of a pod or a pod template. */
function ownIscsi(object: Readonly<Record<string, unknown>>): (readonly (string | number)[])[] {
  if (object['kind'] === 'PersistentVolume') return hasIscsi(object['spec']) ? [['spec', 'iscsi']] : [];
  const found: (readonly (string | number)[])[] = [];
  const search = (value: unknown, path: readonly (string | number)[]): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      const here = [...path, Array.isArray(value) ? Number(key) : key];
      if (path.at(-1) === 'volumes' && Array.isArray(value) && hasIscsi(inner)) found.push([...here, 'iscsi']);
      else search(inner, here);
    }
  };
  search(object['spec'], ['spec']);
  return found;
}

function hasIscsi(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'iscsi' in value;
}
