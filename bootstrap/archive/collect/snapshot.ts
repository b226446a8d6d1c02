import { join } from 'node:path';
import { FirstlightError } from '../../../lib/errors.ts';
import { writeWhole } from '../../../lib/files.ts';
import type { Host } from '../../../lib/host.ts';
import { roleTalosconfig } from '../../../talos/role-config.ts';
import { proveSnapshot, requireOurs, type SnapshotProof } from '../../../talos/snapshot.ts';
import { etcdSnapshot } from '../../../talos/talosctl-recover.ts';
import type { Facts } from '../../facts.ts';

/** A snapshot that was taken and proven: of which control plane, when it was begun (milliseconds since 1970), in which file of the scratch folder. */
export type Snapshot = { readonly node: string; readonly at: number; readonly file: string; readonly proof: SnapshotProof };

/** Hours for which the certificate of the narrow role is made; a backup takes minutes. */
const HOURS = 1;
/** Milliseconds for one control plane: hundreds of MiB from a card that reads slowly. */
const TAKE_MS = 5 * 60_000;

/**
 * Takes a snapshot of etcd with a talosconfig that may do nothing else (role os:etcd:backup), from the first control plane that gives one, and
 * proves it by a real restore. Throws what the last one said (`E_TALOS_…`), and `E_SNAPSHOT_…` where what came is not to be relied on.
 */
export async function takeSnapshot(host: Host, facts: Facts): Promise<Snapshot> {
  const { cluster } = facts;
  const bundle = await facts.bundle(host);
  const talosconfigPath = join(host.scratch, 'talosconfig-backup');
  await writeWhole(talosconfigPath, await roleTalosconfig(host, cluster, bundle, 'os:etcd:backup', HOURS), 0o600);
  const file = join(host.scratch, 'etcd.snapshot');
  let refused: unknown;
  for (const node of cluster.nodes.filter(({ role }) => role === 'control plane')) {
    const at = host.clock.now();
    try {
      await etcdSnapshot(host, { address: node.address, mode: 'secure', talosconfigPath }, file, TAKE_MS);
      const proof = await proveSnapshot(host, file, bundle);
      requireOurs(cluster, file, proof);
      return { node: node.name, at, file, proof };
    } catch (error) {
      host.signal.throwIfAborted();
      if (!(error instanceof FirstlightError)) throw error;
      refused = error;
      host.emit({ code: 'backup.refused', node: node.name, message: `${node.name} gave no snapshot: ${error.message}` });
    }
  }
  throw refused;
}
