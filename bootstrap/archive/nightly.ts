import { recipientsOf, snapshotPrefix } from '../../gitops/backup-job.ts';
import type { Host } from '../../lib/host.ts';
import type { Cluster, Recipient } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import type { Place } from './places/place.ts';
import { s3Place } from './places/s3.ts';

/** Where the job in the cluster puts its snapshots for one recipient: each an etcd snapshot encrypted by age for that one alone. */
export type Nightly = { readonly recipient: Recipient; readonly place: Place };

/** When the job took a snapshot (ISO 8601, UTC), by its name `<cluster>-<RFC 3339>.snap.age` (siderolabs/talos-backup: pkg/talos/talos.go); undefined for other names. */
export function snapshotTime(cluster: string, name: string): string | undefined {
  const at = /^-(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))\.snap\.age$/.exec(name.startsWith(cluster) ? name.slice(cluster.length) : '')?.[1];
  const time = at === undefined ? Number.NaN : Date.parse(at);
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

/** The places in the cluster's buckets where the job's snapshots lie, one for each recipient; buckets without keys are left out. Nothing is connected yet. */
export function nightlyPlaces(host: Host, cluster: Pick<Cluster, 'name' | 'backup' | 'secrets'>, { places = {} }: Pick<Credentials, 'places'>): readonly Nightly[] {
  return cluster.backup.places.flatMap((bucket): Nightly[] => {
    const { accessKeyId, secretAccessKey } = places[bucket.name] ?? {};
    if (bucket.kind !== 's3' || !accessKeyId || !secretAccessKey) return [];
    return recipientsOf(cluster).map((recipient) => ({
      recipient,
      place: s3Place(host, { ...bucket, prefix: snapshotPrefix(bucket, recipient), cluster: cluster.name, accessKeyId, secretAccessKey, timeOf: (name) => snapshotTime(cluster.name, name) }),
    }));
  });
}
