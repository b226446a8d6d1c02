import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fetchBackup, listBackups } from '../../bootstrap/archive/list.ts';
import { readCredentials } from '../../bootstrap/credentials.ts';
import { problem } from '../../lib/errors.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { Session } from '../session.ts';

/**
 * The backup's file: the one that is named, else the newest of all places, brought to this computer; undefined where there is none. To be
 * called while the network is there. Throws `E_BACKUP_NONE` where the named one is not there, and what a place throws.
 */
export async function chooseArchive({ host, view }: Session, cluster: Cluster, named: string | undefined): Promise<string | undefined> {
  if (named !== undefined && await stat(named).then((one) => one.isFile(), () => false)) return resolve(named);
  const credentials = await readCredentials(host, cluster);
  const { archives, silent } = await listBackups(host, cluster, credentials);
  for (const { place, error } of silent) view.say(`The place ${place} did not tell its backups: ${error.message}`);
  const found = named === undefined ? archives[0] : archives.find(({ name }) => name === named);
  if (!found && named === undefined) return undefined;
  if (!found) throw problem('E_BACKUP_NONE', `no place and no file is called ${named}`, '`firstlight backup list` shows what there is.');
  for (const place of cluster.backup.places) if (place.kind === 'folder' && found.places.includes(place.name)) return join(place.path, found.name);
  const file = join(host.cache, 'rehearsed', found.name);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await rm(file, { force: true });
  await fetchBackup(host, cluster, credentials, found, file);
  return file;
}
