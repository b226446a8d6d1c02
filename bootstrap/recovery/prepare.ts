import { SUSPENDABLE_PREFIXES, suspendedInEtcd } from '../../gitops/flux-suspend.ts';
import type { Host } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { withScratchEtcd, type ScratchEtcd } from '../../talos/scratch-etcd.ts';
import type { Bundle } from '../../talos/secrets.ts';
import { proveSnapshot, requireOurs, snapshotStatus, type SnapshotKind, type SnapshotProof } from '../../talos/snapshot.ts';

/**
 * By how much etcd's revision is raised: more than any cluster writes between a snapshot and its loss, so that kubelets and controllers
 * that outlived the old etcd never know a later revision than the new one (etcd.io/docs/v3.6/op-guide/recovery names this number).
 */
export const RAISE = 1_000_000_000;

/**
 * Proves a snapshot (or a copy of a database) to be good and this cluster's, and writes into `out` the one that is given to Talos: the
 * same objects, but Flux suspended, since its controllers on the workers act within a second of the API server's first answer; the
 * revision raised; with a digest. Gives the proof of the original. Throws what `proveSnapshot` and `requireOurs` throw.
 */
export async function prepareSnapshot(host: Host, cluster: Cluster, bundle: Bundle, file: string, kind: SnapshotKind, out: string): Promise<SnapshotProof> {
  const proof = await proveSnapshot(host, file, bundle, kind);
  requireOurs(cluster, file, proof);
  await withScratchEtcd(host, file, { skipHash: kind === 'copy', raiseRevision: RAISE }, async (etcd) => {
    await suspendFlux(etcd);
    await etcd.save(out);
  });
  await snapshotStatus(host, out, 'snapshot');
  return proof;
}

async function suspendFlux(etcd: ScratchEtcd): Promise<void> {
  for (const prefix of SUSPENDABLE_PREFIXES) {
    const changed: [string, string][] = [];
    await etcd.each(prefix, (key, value) => {
      const text = suspendedInEtcd(Buffer.from(value).toString());
      if (text !== undefined) changed.push([key, text]);
    });
    for (const [key, text] of changed) await etcd.put(key, text);
  }
}
