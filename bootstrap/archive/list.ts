import { basename } from 'node:path';
import { FirstlightError, problem } from '../../lib/errors.ts';
import { withSignal, type Host } from '../../lib/host.ts';
import type { BackupPlace, Cluster } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { openPlace, withPlaces } from './open-places.ts';
import type { Place } from './places/place.ts';
import { CLOCKS_MS } from './retention.ts';

/** An archive and the places that have it; `at` is ISO 8601, from its name. */
export type Listed = { readonly name: string; readonly at: string; readonly bytes: number; readonly places: readonly string[] };

/** The archives of all places, newest first, and the places that could not be asked, with the reason. */
export type Listing = { readonly archives: readonly Listed[]; readonly silent: readonly { readonly place: string; readonly error: FirstlightError }[] };

/** Milliseconds for one place to list what it has. */
const PATIENCE_MS = 60_000;

/** Asks every place at once, each for at most so many milliseconds. Throws only an abort. */
export async function listBackups(host: Host, cluster: Cluster, credentials: Pick<Credentials, 'places'>, patienceMs = PATIENCE_MS): Promise<Listing> {
  const answers = await Promise.all(cluster.backup.places.map(async (declared) => {
    const limit = AbortSignal.timeout(patienceMs);
    try {
      return { place: declared.name, stored: await withPlaces(withSignal(host, limit), cluster, [declared], credentials, ([place]) => place!.list()) };
    } catch (error) {
      host.signal.throwIfAborted();
      if (limit.aborted) return { place: declared.name, error: problem('E_PLACE', `${declared.name} did not list its backups within ${Math.round(patienceMs / 1000)} s`, 'Look whether it is reachable.') };
      if (error instanceof FirstlightError) return { place: declared.name, error };
      throw error;
    }
  }));
  const found = new Map<string, Listed>();
  for (const { place, stored = [] } of answers) {
    for (const { name, at, bytes } of stored) found.set(name, { name, at, bytes, places: [...found.get(name)?.places ?? [], place] });
  }
  return {
    archives: [...found.values()].toSorted((a, b) => (a.at === b.at ? b.name.localeCompare(a.name) : a.at < b.at ? 1 : -1)),
    silent: answers.flatMap(({ place, error }) => (error ? [{ place, error }] : [])),
  };
}

/** The newest of the archives of a listing, of which one that is dated after `now` (milliseconds since 1970) is only where there is no other: a clock was wrong then. */
export function newestOf(archives: readonly Listed[], now: number): Listed | undefined {
  return archives.find(({ at }) => Date.parse(at) <= now + CLOCKS_MS) ?? archives[0];
}

/** Brings an archive to a file from the first of these places that gives it. Throws what the last one said, `E_BACKUP_PLACE`. */
export async function fetchBackup(host: Host, cluster: Cluster, credentials: Pick<Credentials, 'places'>, archive: Listed, file: string): Promise<void> {
  let refused: unknown = problem('E_BACKUP_PLACE', `no place has ${archive.name}`, '`firstlight backup list` shows what there is.');
  for (const declared of archive.places.flatMap((name) => cluster.backup.places.filter((place) => place.name === name)).toSorted(folderFirst)) {
    let place: Place | undefined;
    try {
      place = openPlace(host, cluster, declared, credentials);
      await place.get(basename(archive.name), file);
      return;
    } catch (error) {
      host.signal.throwIfAborted();
      refused = error;
      host.emit({ code: 'backup.refused', message: `${declared.name} did not give ${archive.name}: ${error instanceof Error ? error.message : String(error)}` });
    } finally {
      await place?.close();
    }
  }
  throw refused;
}

function folderFirst(one: BackupPlace, other: BackupPlace): number {
  return Number(other.kind === 'folder') - Number(one.kind === 'folder');
}
