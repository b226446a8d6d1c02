import { mkdtemp, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock } from '../../lib/lock-file.ts';
import { requireWholeBundle } from '../../gitops/bundle.ts';
import { proveArchive } from '../archive/verify.ts';
import { fetchBackup, listBackups, type Listed } from '../archive/list.ts';
import { openArchive } from '../archive/open.ts';
import { archiveName, ENTRY, type Archive } from '../archive/types.ts';
import { readCredentials } from '../credentials.ts';
import type { Facts } from '../facts.ts';
import type { Later, Proven } from './types.ts';

/** Which archive: `named` is a file's path or the name of one in a place; left out, the newest that proves good. `identities` are the age identities to try. */
export type ArchiveWish = { readonly named?: string; readonly identities: readonly string[] };

/**
 * Opens the archive of a restore and proves it wholly: decrypted, signed by this cluster's key, of this cluster, every part as signed, its
 * snapshot restored aside, its own bundle the one of its Secrets. With none named each is tried, newest first; what is refused on the way is
 * told (`restore.refused`). Nothing but the scratch folder is touched. Throws `E_ARCHIVE_…`, `E_SNAPSHOT_…`, `E_BACKUP_NONE`, `E_GIT_BUNDLE`.
 */
export async function proveForRestore(host: Host, facts: Facts, wish: ArchiveWish): Promise<Proven> {
  const at = await findArchives(host, facts, wish.named);
  let refused: FirstlightError | undefined;
  for (const found of at.found) {
    try {
      const archive = await openFound(host, facts, found, wish.identities);
      const proof = await proveArchive(host, facts.cluster, archive);
      const repository = archive.path(ENTRY.repository);
      if (repository !== undefined) await requireWholeBundle(host, repository, archive.manifest.git?.revision ?? '');
      const later = wish.named === undefined ? undefined : await laterOf(host, facts, archive, at.listed, wish.identities);
      return { name: nameOf(found), named: wish.named !== undefined, archive, proof, ...(later === undefined ? {} : { later }) };
    } catch (error) {
      host.signal.throwIfAborted();
      if (wish.named !== undefined || !(error instanceof FirstlightError) || !/^E_(ARCHIVE|SNAPSHOT|GIT_BUNDLE|BUNDLE|BACKUP|PLACE)/.test(error.code)) throw error;
      refused ??= error;
      host.emit({ code: 'restore.refused', message: `${nameOf(found)} can't be used: ${error.message}` });
    }
  }
  throw refused ?? problem('E_BACKUP_NONE', `${facts.cluster.name} has no backup that could be restored`, 'Name an archive by its path: `firstlight restore CLUSTER FILE`.');
}

/** Opens the archive that a restore under way began with, without proving its snapshot again. Throws `E_RESTORE_OTHER` where it is another one by now, and as `proveForRestore`. */
export async function reopen(host: Host, facts: Facts, wish: ArchiveWish, record: { readonly archive: string; readonly sha256: string }): Promise<Archive> {
  const { found } = await findArchives(host, facts, wish.named ?? record.archive);
  const archive = await openFound(host, facts, found[0]!, wish.identities);
  if (archive.sha256 === record.sha256) return archive;
  throw problem('E_RESTORE_OTHER', `the restore that is under way began with ${record.archive}, and this is another archive`, `Go on with that one: leave the archive out, or name it by its path (SHA-256 ${record.sha256.slice(0, 12)}…). Or give that restore up: firstlight restore ${facts.cluster.name} --give-up`, { where: { file: archive.file } });
}

type Found = { readonly file: string } | { readonly listed: Listed };

async function findArchives(host: Host, facts: Facts, named: string | undefined): Promise<{ readonly found: readonly Found[]; readonly listed: readonly Listed[] }> {
  const { cluster } = facts;
  const { archives, silent } = await listBackups(host, cluster, await readCredentials(host, cluster));
  for (const { place, error } of silent) host.emit({ code: 'restore.silent', message: `the place ${place} did not tell its backups: ${error.message}` });
  if (named === undefined) return { found: archives.map((listed) => ({ listed })), listed: archives };
  if (await stat(named).then((one) => one.isFile(), () => false)) return { found: [{ file: named }], listed: archives };
  const found = archives.find(({ name }) => name === basename(named));
  if (found) return { found: [{ listed: found }], listed: archives };
  throw problem('E_BACKUP_NONE', `no place and no file is called ${named}`, '`firstlight backup list` shows what there is.');
}

function nameOf(found: Found): string {
  return 'file' in found ? found.file : found.listed.name;
}

/** Into a folder of its own in the scratch folder, in which it stays for the run. */
async function openFound(host: Host, facts: Facts, found: Found, identities: readonly string[]): Promise<Archive> {
  const { cluster } = facts;
  const folder = await mkdtemp(join(host.scratch, 'restored-'));
  const { backup } = await readLock(facts.lockFile);
  const options = { identities, folder: join(folder, 'open'), cluster: cluster.name, ...(backup ? { signer: backup.signer } : {}) };
  if ('file' in found) return openArchive(host, found.file, options);
  const file = join(folder, basename(found.listed.name));
  try {
    await fetchBackup(host, cluster, await readCredentials(host, cluster), found.listed, file);
    return { ...await openArchive(host, file, options), file: found.listed.name };
  } finally {
    await rm(file, { force: true });
  }
}

/** The newest backup that is later than this one and opens. */
async function laterOf(host: Host, facts: Facts, archive: Archive, listed: readonly Listed[], identities: readonly string[]): Promise<Later | undefined> {
  const own = archiveName(facts.cluster.name, Date.parse(archive.manifest.at));
  for (const each of listed.filter(({ name }) => name > own)) {
    try {
      const { manifest } = await openFound(host, facts, { listed: each }, identities);
      return { what: `the backup ${each.name}`, at: manifest.at, revision: manifest.etcd.revision };
    } catch (error) {
      host.signal.throwIfAborted();
      if (!(error instanceof FirstlightError)) throw error;
      host.emit({ code: 'restore.refused', message: `${each.name} is later, but can't be used: ${error.message}` });
    }
  }
  return undefined;
}

