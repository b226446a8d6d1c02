import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import type { Cluster } from '../nodes/cluster.ts';
import { findCluster } from '../nodes/find.ts';
import { loadCluster } from '../nodes/load.ts';

/** The folder of firstlight's own checkout. */
export const HOME = fileURLToPath(new URL('..', import.meta.url));

/** The bundled example, taken in firstlight's own checkout when no cluster is named. */
export const BUNDLED = join(HOME, 'examples', 'homelab', 'machines', 'gandalf');

/** Finds and reads the cluster a command names. Throws `E_CLUSTER_…` and `E_INVENTORY` (all mistakes at once). */
export async function openCluster(argument: string | undefined): Promise<Cluster> {
  return loadCluster(await findCluster(argument, process.cwd(), BUNDLED));
}
