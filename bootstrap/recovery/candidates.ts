import { mkdtemp, rename, rm } from 'node:fs/promises';
import { createReadStream, createWriteStream } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Decrypter } from 'age-encryption';
import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock } from '../../lib/lock-file.ts';
import { fetchBackup, listBackups, type Listed } from '../archive/list.ts';
import { nightlyPlaces, type Nightly } from '../archive/nightly.ts';
import { openArchive } from '../archive/open.ts';
import { ENTRY } from '../archive/types.ts';
import type { Facts } from '../facts.ts';
import type { Candidate } from './source.ts';

/**
 * The snapshots in the cluster's backups, newest first: those in archives, whose signature is proven when they are opened, and those the
 * job in the cluster took (proven only by a restore, as every candidate is). `identities` are the person's age identities, tried in turn.
 * A place that does not answer is told (`recovery.silent`). Throws what opening the credentials throws, and the abort.
 */
export async function backupCandidates(host: Host, facts: Facts, identities: readonly string[]): Promise<readonly Candidate[]> {
  const { cluster } = facts;
  const credentials = await facts.credentials(host);
  const { archives, silent } = await listBackups(host, cluster, credentials);
  for (const { place, error } of silent) host.emit({ code: 'recovery.silent', message: `the place ${place} did not tell its backups: ${error.message}` });
  const nightly = await Promise.all(nightlyPlaces(host, cluster, credentials).map((each) => jobSnapshots(each, identities, host)));
  return [...archives.map((archive) => ofArchive(facts, archive, identities)), ...nightly.flat()].toSorted((one, other) => (one.at < other.at ? 1 : -1));
}

function ofArchive(facts: Facts, archive: Listed, identities: readonly string[]): Candidate {
  return {
    name: `the backup ${archive.name}`, at: archive.at,
    async open(host) {
      const folder = await mkdtemp(join(host.scratch, 'candidate-'));
      const file = join(folder, basename(archive.name));
      await fetchBackup(host, facts.cluster, await facts.credentials(host), archive, file);
      const { backup } = await readLock(facts.lockFile);
      const opened = await openArchive(host, file, { identities, folder: join(folder, 'open'), cluster: facts.cluster.name, ...(backup ? { signer: backup.signer } : {}) });
      const snapshot = opened.path(ENTRY.snapshot);
      if (snapshot === undefined) throw problem('E_ARCHIVE_PART', `${archive.name} holds no etcd snapshot`, 'Choose another backup.', { where: { file } });
      const kept = join(folder, 'etcd.snapshot');
      await rename(snapshot, kept);
      await rm(join(folder, 'open'), { recursive: true, force: true });
      await rm(file, { force: true });
      return { file: kept, known: { of: `the backup ${archive.name}`, at: archive.at, objects: opened.manifest.etcd.objects } };
    },
  };
}

/** What the job put into one place; none where it can't be listed, which is told. */
async function jobSnapshots({ recipient, place }: Nightly, identities: readonly string[], host: Host): Promise<readonly Candidate[]> {
  try {
    return (await place.list()).map(({ name, at }) => ({
      name: `the nightly snapshot ${name}`, at,
      async open(own: Host) {
        const folder = await mkdtemp(join(own.scratch, 'nightly-'));
        const [sealed, file] = [join(folder, 'sealed'), join(folder, 'etcd.snapshot')];
        await place.get(name, sealed);
        await decryptFile(sealed, file, identities, recipient.name);
        await rm(sealed, { force: true });
        return { file };
      },
    }));
  } catch (error) {
    host.signal.throwIfAborted();
    if (!(error instanceof FirstlightError)) throw error;
    host.emit({ code: 'recovery.silent', message: `the nightly snapshots for ${recipient.name} could not be listed: ${error.message}` });
    return [];
  }
}

async function decryptFile(sealed: string, file: string, identities: readonly string[], recipient: string): Promise<void> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    const plain = await decrypter.decrypt(Readable.toWeb(createReadStream(sealed)) as ReadableStream<Uint8Array>);
    await pipeline(Readable.fromWeb(plain as never), createWriteStream(file, { mode: 0o600 }));
  } catch (error) {
    throw problem('E_RECOVERY_SEALED', `it is encrypted for ${recipient}, and none of your age identities opens it (${(error as Error).message})`, 'Run this with the identity of that recipient in SOPS_AGE_KEY_FILE.');
  }
}
