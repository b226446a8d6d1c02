import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { BackupPlace, Cluster } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { credentialsPath } from '../credentials.ts';
import { folderPlace } from './places/folder.ts';
import type { Place } from './places/place.ts';
import { s3Place } from './places/s3.ts';
import { sftpPlace } from './places/sftp.ts';

/** The declared place of that name, or the folder of that path (`./x`, `/x`), which has to be there. Throws `E_BACKUP_PLACE`. */
export function namedPlace(cluster: Cluster, to: string): BackupPlace {
  const found = cluster.backup.places.find(({ name }) => name === to);
  if (found) return found;
  if (to.startsWith('/')) return { kind: 'folder', name: to, path: to, make: false };
  throw problem('E_BACKUP_PLACE', `${cluster.name} has no place for backups called ${to}`, `There are: ${cluster.backup.places.map(({ name }) => name).join(', ')}. Or name a folder by its path.`);
}

/** A declared place, ready to be used; nothing is connected yet. Throws `E_CREDENTIALS_MISSING`. */
export function openPlace(host: Host, cluster: Cluster, place: BackupPlace, credentials: Pick<Credentials, 'places'>): Place {
  const { password, privateKey, accessKeyId, secretAccessKey } = credentials.places?.[place.name] ?? {};
  if (place.kind === 'folder') return folderPlace(host, { ...place, cluster: cluster.name });
  const lacks = place.kind === 'sftp' ? !password && !privateKey : !accessKeyId || !secretAccessKey;
  if (lacks) throw problem('E_CREDENTIALS_MISSING', `places.${place.name} in the credentials lacks ${place.kind === 'sftp' ? 'password or privateKey' : 'accessKeyId and secretAccessKey'}`, `Add it under places.${place.name} with \`sops edit ${credentialsPath(cluster)}\`.`);
  if (place.kind === 'sftp') return sftpPlace(host, { ...place, cluster: cluster.name, ...(password ? { password } : {}), ...(privateKey ? { privateKey } : {}) });
  return s3Place(host, { ...place, cluster: cluster.name, accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! });
}

/** Opens places for some work and closes them after it, however it ends. */
export async function withPlaces<T>(host: Host, cluster: Cluster, declared: readonly BackupPlace[], credentials: Pick<Credentials, 'places'>, work: (places: readonly Place[]) => Promise<T>): Promise<T> {
  const places = declared.map((place) => openPlace(host, cluster, place, credentials));
  try {
    return await work(places);
  } finally {
    await Promise.all(places.map((place) => place.close()));
  }
}
