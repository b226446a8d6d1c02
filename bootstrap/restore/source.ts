import { join } from 'node:path';
import type { Host } from '../../lib/host.ts';
import type { RecoverySource } from '../../lib/lock-file.ts';
import { ENTRY } from '../archive/types.ts';
import type { Facts } from '../facts.ts';
import { runningPods } from '../recovery/before.ts';
import { forgetKept, keepBefore, keepSource } from '../recovery/keep.ts';
import { prepareSnapshot } from '../recovery/prepare.ts';
import type { Later, Proven } from './types.ts';

/**
 * Proves the snapshot that etcd comes back from with the repository's bundle, prepares it (Flux held, revision raised), and keeps it encrypted
 * with what is known of before, so that a run that is killed goes on with this very one. Throws `E_SNAPSHOT_…`.
 */
export async function keepForRestore(host: Host, facts: Facts, { archive }: Proven, source: Later): Promise<RecoverySource> {
  const { cluster } = facts;
  const first = cluster.nodes.find((node) => node.role === 'control plane')!.name;
  const bundle = await facts.bundle(host);
  const out = join(host.scratch, `prepared-${host.clock.now()}.snapshot`);
  const proof = await prepareSnapshot(host, cluster, bundle, source.file ?? archive.path(ENTRY.snapshot)!, 'snapshot', out);
  const running = await runningPods(host, facts);
  await forgetKept(cluster, first);
  const kept = await keepSource(cluster, first, bundle, out, 'snapshot');
  await keepBefore(cluster, first, { running, revision: proof.revision, known: { of: source.what, at: source.at, objects: proof.objects } });
  return kept;
}
