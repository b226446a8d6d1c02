import type { Host } from '../../lib/host.ts';
import type { BackupPlace, Cluster } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { listBackups, newestOf } from './list.ts';

/** Milliseconds for a place to be reached, logged in to, and to list what it has. */
const LOOK_MS = 30_000;

/** What a place has, in words; nothing is made or changed there. Throws why it can't be used: the codes of places, `E_SSH_…`, `E_S3_…`, `E_CREDENTIALS_MISSING`. */
export async function placeReport(host: Host, cluster: Cluster, place: BackupPlace, credentials: Pick<Credentials, 'places'>): Promise<string> {
  const { archives, silent: [silent] } = await listBackups(host, { ...cluster, backup: { ...cluster.backup, places: [place] } }, credentials, LOOK_MS);
  if (silent) throw silent.error;
  const newest = newestOf(archives, host.clock.now());
  return newest ? `has ${archives.length} backup${archives.length === 1 ? '' : 's'}, the newest of ${newest.at}` : 'has no backup yet';
}
