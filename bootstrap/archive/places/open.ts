import { problem } from '../../../lib/errors.ts';
import type { Host } from '../../../lib/host.ts';
import type { BackupPlace, Cluster } from '../../../nodes/cluster.ts';
import type { Credentials } from '../../../nodes/credentials.ts';
import { folderPlace } from './folder.ts';
import type { Place } from './place.ts';
import { s3Place } from './s3.ts';
import { sftpPlace } from './sftp.ts';

/** The inventory's places for backups, in its order; nothing is connected yet. Throws `E_CREDENTIALS_MISSING` where one lacks its keys. */
export function openPlaces(host: Host, cluster: Pick<Cluster, 'name' | 'backup'>, credentials: Pick<Credentials, 'places'>): readonly Place[] {
  return cluster.backup.places.map((place) => openPlace(host, cluster.name, place, credentials));
}

/** One of them. Throws `E_CREDENTIALS_MISSING`. */
export function openPlace(host: Host, cluster: string, place: BackupPlace, { places = {} }: Pick<Credentials, 'places'>): Place {
  const { password, privateKey, accessKeyId, secretAccessKey } = places[place.name] ?? {};
  const missing = (what: string): Error => problem('E_CREDENTIALS_MISSING', `places.${place.name} has no ${what} in the credentials`, 'Put it into credentials.sops.yaml with `sops edit`.');
  switch (place.kind) {
    case 'folder': return folderPlace(host, { name: place.name, path: place.path, make: place.make, cluster });
    case 'sftp':
      if (!password && !privateKey) throw missing('password or privateKey');
      return sftpPlace(host, { ...place, cluster, ...(password ? { password } : {}), ...(privateKey ? { privateKey } : {}) });
    case 's3':
      if (!accessKeyId || !secretAccessKey) throw missing('accessKeyId and secretAccessKey');
      return s3Place(host, { ...place, cluster, accessKeyId, secretAccessKey });
  }
}
