import { join } from 'node:path';
import { problem } from '../lib/errors.ts';
import { readIfThere } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { JOB, jobFolder, jobKustomization, jobManifests, keptOf, keysSecret, type Bucket } from './backup-job.ts';
import { ensureDelivery, observeDelivery, type Delivery } from './delivery.ts';
import { done, needed, type Observation } from './observation.ts';
import { gitopsOf, type Repository } from './repository.ts';

/** Looks whether the repository holds the job that takes snapshots of etcd, as the inventory has bucket and recipients now; schedule, image and added fields are the owner's. */
export async function observeBackupJob(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository, bucket: Bucket): Promise<Observation> {
  const looks = await Promise.all((await deliveries(host, cluster, credentials, repository, bucket)).map((delivery) => observeDelivery(host, cluster, credentials, repository, delivery)));
  const missing = looks.flatMap((look) => (look.state === 'needed' ? [look.why] : []));
  return missing.length > 0 ? needed(missing.join('; ')) : done(`${jobFolder(cluster)} up to date`);
}

/** Commits and pushes what of it is missing or differs; the bucket's keys lie there encrypted. Gives whether there was a commit. Throws what `ensureDelivery` throws, `E_JOB_CA`. */
export async function ensureBackupJob(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository, bucket: Bucket): Promise<boolean> {
  let at = repository;
  let any = false;
  for (const delivery of await deliveries(host, cluster, credentials, repository, bucket)) {
    const { repository: next, committed } = await ensureDelivery(host, cluster, credentials, at, delivery);
    at = next;
    any ||= committed;
  }
  return any;
}

async function deliveries(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository, bucket: Bucket): Promise<Delivery[]> {
  const secrets = credentials.places?.[bucket.name] ?? {};
  for (const secret of Object.values(secrets)) if (secret) host.mask.add(secret);
  const folder = jobFolder(cluster);
  const kept = keptOf(await readIfThere(join(repository.folder, folder, 'cron-job.yaml')));
  const authority = bucket.ca === undefined ? undefined : await readIfThere(bucket.ca);
  if (bucket.ca !== undefined && authority === undefined) throw problem('E_JOB_CA', `${bucket.ca} is not there, and the job would not trust its bucket`, 'Put the authority’s certificate there, or take ca out of cluster.yaml.', { where: { file: bucket.ca } });
  return [
    { folder, secrets: { [`${JOB.keys}.sops.yaml`]: keysSecret(secrets) }, manifests: jobManifests(cluster, bucket, kept, authority), unlisted: 'make', message: `Take snapshots of ${cluster.name}'s etcd every night` },
    { folder: gitopsOf(cluster).path, secrets: {}, manifests: { [JOB.kustomization]: jobKustomization(cluster) }, unlisted: 'allow', message: `Let Flux apply the snapshots' job of ${cluster.name}` },
  ];
}
