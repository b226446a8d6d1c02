import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../../lib/errors.ts';
import type { Cluster, ClusterNode } from '../../nodes/cluster.ts';

/**
 * The owner's patch files for a node, absolute, in the order they are laid: `patches/all*.yaml`, then `patches/controlplane*.yaml`
 * or `patches/worker*.yaml`, then `patches/<node>.yaml`; within a layer by name. A file named after a node is that node's only,
 * even where its name begins like a layer's. Throws `E_PATCH_NAME` for files that would never be used.
 */
export async function patchFiles(cluster: Cluster, node: ClusterNode): Promise<readonly string[]> {
  const folder = join(cluster.folder, 'patches');
  const names = (await namesIn(folder)).filter((name) => /\.ya?ml$/.test(name)).sort();
  const layerOf = (name: string): string | undefined => {
    const stem = name.replace(/\.ya?ml$/, '');
    if (cluster.nodes.some((each) => each.name === stem)) return stem;
    return ['all', 'controlplane', 'worker'].find((layer) => new RegExp(`^${layer}([-._].*|)$`).test(stem))?.concat('*');
  };
  const stray = names.filter((name) => layerOf(name) === undefined);
  if (stray.length > 0) {
    const files = stray.map((name) => join(folder, name));
    throw problem('E_PATCH_NAME', `${files.join(', ')}: no layer uses ${stray.length === 1 ? 'this patch' : 'these patches'}`,
      'Name a patch all.yaml, controlplane.yaml, worker.yaml (each also with -something) or after a node.', { where: { file: files[0] ?? folder } });
  }
  const role = node.role === 'control plane' ? 'controlplane*' : 'worker*';
  return ['all*', role, node.name].flatMap((layer) => names.filter((name) => layerOf(name) === layer)).map((name) => join(folder, name));
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
