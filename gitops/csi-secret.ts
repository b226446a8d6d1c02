import type { Host } from '../lib/host.ts';
import type { Cluster } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { CSI, csiSecret } from './client-info.ts';
import { CSI_DRIVER, csiFolder, listedFor } from './csi-folder.ts';
import { ensureDelivery, observeDelivery, type Delivery } from './delivery.ts';
import type { Observation } from './observation.ts';
import type { Repository } from './repository.ts';

/**
 * Looks whether the repository holds the CSI credentials as they are now: decrypted with the cluster's own identity (so
 * that Flux can read them too), for exactly the inventory's recipients, and listed in the folder's kustomization.yaml with the driver.
 * The folder is the cluster's own (`csiFolder`). Throws `E_GIT_LAYOUT` where the repository has none, or clusters would share it.
 */
export async function observeCsiSecret(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository): Promise<Observation> {
  return observeDelivery(host, cluster, credentials, repository, await delivery(host, cluster, credentials, repository));
}

/**
 * Encrypts the CSI credentials, commits and pushes them; equal ones make no commit. Gives the repository at its revision
 * and whether there was a commit. Throws what `commitFiles`, `sopsEncrypt` and `clientInfo` throw.
 */
export async function ensureCsiSecret(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository): Promise<{ readonly repository: Repository; readonly committed: boolean }> {
  return ensureDelivery(host, cluster, credentials, repository, await delivery(host, cluster, credentials, repository));
}

async function delivery(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository): Promise<Delivery> {
  if (credentials.nasPassword) host.mask.add(credentials.nasPassword);
  const folder = await csiFolder(cluster, repository);
  return {
    folder, secrets: { [CSI.file]: csiSecret(cluster, credentials) }, manifests: {}, lists: await listedFor(repository.folder, folder, CSI_DRIVER),
    message: `Deliver the NAS credentials of ${cluster.name} to the CSI driver`,
  };
}
