import type { Host } from '../lib/host.ts';
import type { Cluster, Nas } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { ensureDelivery, observeDelivery, type Delivery } from './delivery.ts';
import type { Observation } from './observation.ts';
import type { Repository } from './repository.ts';
import { chapSecret, persistentVolume, type ClaimedLun } from './volume-manifests.ts';

/**
 * Looks whether the repository holds, for each claimed LUN, its PersistentVolume and the encrypted Secret with its CHAP
 * credentials, in `infrastructure/volumes/<cluster>`. Throws `E_GIT_LAYOUT` where the repository has no such folder.
 */
export async function observeVolumes(host: Host, cluster: Cluster, nas: Nas, credentials: Credentials, repository: Repository, volumes: readonly ClaimedLun[]): Promise<Observation> {
  return observeDelivery(host, cluster, credentials, repository, delivery(host, cluster, nas, credentials, volumes));
}

/** Commits and pushes what of them is missing or differs; what else is in the folder stays. Throws what `ensureDelivery` throws. */
export async function ensureVolumes(host: Host, cluster: Cluster, nas: Nas, credentials: Credentials, repository: Repository, volumes: readonly ClaimedLun[]): Promise<void> {
  await ensureDelivery(host, cluster, credentials, repository, delivery(host, cluster, nas, credentials, volumes));
}

function delivery(host: Host, cluster: Cluster, nas: Nas, credentials: Credentials, volumes: readonly ClaimedLun[]): Delivery {
  for (const secret of [...Object.values(credentials.chap), ...Object.values(credentials.mutualChap ?? {})]) host.mask.add(secret);
  return {
    folder: `infrastructure/volumes/${cluster.name}`,
    secrets: Object.fromEntries(volumes.map(({ lun }) => [`${lun.name}-chap.sops.yaml`, chapSecret(cluster, lun, credentials)])),
    manifests: Object.fromEntries(volumes.map((volume) => [`${volume.lun.name}.yaml`, persistentVolume(cluster, nas, volume)])),
    message: `Tell Kubernetes of ${volumes.map(({ lun }) => lun.name).join(', ')} on the NAS of ${cluster.name}`,
  };
}
