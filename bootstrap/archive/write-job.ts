import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { problem } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import { talosAccess, type Bucket } from '../../gitops/backup-job.ts';
import { ensureBackupJob } from '../../gitops/backup-job-delivery.ts';
import { holds } from '../../gitops/manifest-file.ts';
import { openRepository } from '../../gitops/repository.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { openPlace } from './open-places.ts';

/** What `writeJob` did: whether it committed to the GitOps repository, and wrote the patch `patch` (absolute path) beside cluster.yaml. */
export type WrittenJob = { readonly committed: boolean; readonly patch: string; readonly patched: boolean; readonly bucket: Bucket };

/**
 * Writes what takes snapshots of etcd unattended: the CronJob into the GitOps repository (committed and pushed), and the Talos patch that lets it, into
 * `patches/` beside cluster.yaml, for the owner to commit and `firstlight up` to apply. `place` names the bucket where there are several.
 * Throws `E_JOB_PLACE`, `E_JOB_PATCH`, `E_JOB_CA`, `E_CREDENTIALS_MISSING`, `E_GIT_…`.
 */
export async function writeJob(host: Host, cluster: Cluster, credentials: Credentials, place?: string): Promise<WrittenJob> {
  const bucket = bucketOf(cluster, place);
  // Without its keys the job would be there, and fail every night.
  openPlace(host, cluster, bucket, credentials);
  const repository = await openRepository(host, cluster, credentials);
  const patch = join(cluster.folder, 'patches', 'controlplane-etcd-backup.yaml');
  const patched = await writePatch(patch);
  const committed = await ensureBackupJob(host, cluster, credentials, repository, bucket);
  return { committed, patch, patched, bucket };
}

function bucketOf(cluster: Cluster, place: string | undefined): Bucket {
  const buckets = cluster.backup.places.filter((each): each is Bucket => each.kind === 's3');
  const found = buckets.filter(({ name }) => place === undefined || name === place);
  if (found.length === 1) return found[0]!;
  const hint = buckets.length === 0 ? 'Declare a place with s3 under backup.places in cluster.yaml: a job in the cluster reaches neither this machine\'s folders nor SFTP.' : `Say which: ${buckets.map(({ name }) => name).join(', ')}.`;
  throw problem('E_JOB_PLACE', buckets.length === 0 ? 'no place for backups is a bucket' : place === undefined ? 'several places for backups are buckets' : `no bucket is called ${place}`, hint);
}

/** A patch of the owner's that says the same stays as it is; one that says something else is not touched. */
async function writePatch(path: string): Promise<boolean> {
  const text = await readIfThere(path);
  if (text === undefined) {
    await writeWhole(path, `# Lets the job in infrastructure/backup read snapshots of etcd, and nothing else, from its own namespace.\n${stringify(talosAccess())}`);
    return true;
  }
  if (holds(quietly(text), talosAccess())) return false;
  throw problem('E_JOB_PATCH', `${path} is there and does not let the job read snapshots`, `Put this in:\n${stringify(talosAccess())}`, { where: { file: path } });
}

function quietly(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
