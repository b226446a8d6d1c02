import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, posix } from 'node:path';
import { problem } from '../lib/errors.ts';
import { readIfThere } from '../lib/files.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { CSI } from './client-info.ts';
import { listsResource } from './kustomization-file.ts';
import type { Repository } from './repository.ts';

/** The folder of the CSI driver, for every cluster with a NAS. Where a repository has one cluster only, its NAS account may lie here too. */
export const CSI_DRIVER = 'infrastructure/controllers/synology-csi';

/** The NAS account in the driver's folder, which several clusters apply: one cluster's own, and no other can open it. */
export const SHARED_ACCOUNT = `${CSI_DRIVER}/${CSI.file}`;

/** What gives each cluster a place of its own for its NAS account. */
export const SHARED_ACCOUNT_HINT = `Once, in one commit: \`git mv\` the file to infrastructure/secrets/<cluster>/ of the cluster whose NAS account it is, list it there in a kustomization.yaml of kind Component (as in firstlight's example homelab), take it out of ${CSI_DRIVER}/kustomization.yaml, and give infra-controllers in clusters/<cluster>/ \`components: [../secrets/<cluster>]\`. \`firstlight up\` writes the other clusters' own.`;

/** The folder of the controllers that not every cluster has, and of the Secrets that they need; its Flux takes it in as a component of infra-controllers. */
export function ownSecretsFolder(cluster: Pick<Cluster, 'name'>): string {
  return `infrastructure/secrets/${cluster.name}`;
}

/**
 * How a cluster's own folder (`own`) lists a controller that not every cluster has: as the relative path of its folder. Nothing
 * where the repository has no such folder, or the list of all clusters' controllers has it already.
 */
export async function listedFor(root: string, own: string, controller: string): Promise<string[]> {
  const path = `${posix.dirname(controller)}/kustomization.yaml`;
  const shared = await readIfThere(join(root, path));
  if (own === controller || !existsSync(join(root, controller, 'kustomization.yaml'))) return [];
  return shared !== undefined && listsResource(shared, posix.basename(controller), path) ? [] : [posix.relative(own, controller)];
}

/**
 * The folder of the repository that the NAS account belongs in: the cluster's own, or, in a repository of one cluster that has no
 * such folder, the driver's. Throws `E_GIT_LAYOUT` where one cluster's account lies, or would lie, where other clusters apply it.
 */
export async function csiFolder(cluster: Cluster, repository: Pick<Repository, 'folder'>): Promise<string> {
  const own = ownSecretsFolder(cluster);
  const hasOwn = existsSync(join(repository.folder, own, 'kustomization.yaml'));
  const path = `${CSI_DRIVER}/kustomization.yaml`;
  const shared = await readIfThere(join(repository.folder, path));
  if (shared === undefined) return own;
  const inShared = listsResource(shared, CSI.file, path);
  const others = await otherClusters(cluster, repository.folder);
  if (!hasOwn && others.length === 0) return CSI_DRIVER;
  if (!inShared) return own;
  const whom = others.length > 0 ? `${[cluster.name, ...others].join(' and ')} apply it` : `it lies beside that of ${own}`;
  throw problem('E_GIT_LAYOUT', `${SHARED_ACCOUNT} is the NAS account of one cluster, and ${whom}`, SHARED_ACCOUNT_HINT, { where: { file: path } });
}

async function otherClusters(cluster: Cluster, root: string): Promise<string[]> {
  const names = await readdir(join(root, 'machines')).catch(() => [] as string[]);
  return names.filter((name) => name !== basename(cluster.folder) && existsSync(join(root, 'machines', name, 'cluster.yaml'))).sort();
}
