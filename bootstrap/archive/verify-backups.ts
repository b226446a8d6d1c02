import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { fetchBackup, type Listed } from './list.ts';
import { verifyArchive, type Verdict, type VerifyOptions } from './verify.ts';

/** An archive to prove: a file of this machine, or one that places have. */
export type ToVerify = { readonly file: string } | { readonly listed: Listed };

/** What came of one: proven good, or refused with the reason. */
export type Verified = { readonly name: string; readonly places: readonly string[] } & ({ readonly verdict: Verdict } | { readonly refused: FirstlightError });

/**
 * Proves archives one after another; those of places are brought to the scratch folder for it, and go again. A refusal is no failure of the look:
 * it is told by an event `backup.refused` and in what is given back. Throws an abort, and what is no `FirstlightError`.
 */
export async function verifyBackups(host: Host, archives: readonly ToVerify[], options: VerifyOptions & { readonly credentials: Pick<Credentials, 'places'> }): Promise<readonly Verified[]> {
  const all: Verified[] = [];
  for (const archive of archives) {
    const about = 'file' in archive ? { name: archive.file, places: [] } : { name: archive.listed.name, places: archive.listed.places };
    host.emit({ code: 'backup.verifying', message: about.name });
    try {
      all.push({ ...about, verdict: await verifyOne(host, archive, options) });
      host.emit({ code: 'backup.verified', message: about.name });
    } catch (error) {
      host.signal.throwIfAborted();
      if (!(error instanceof FirstlightError)) throw error;
      all.push({ ...about, refused: error });
      host.emit({ code: 'backup.refused', message: `${about.name}: ${error.message}`, data: { error: error.code } });
    }
  }
  return all;
}

async function verifyOne(host: Host, archive: ToVerify, options: VerifyOptions & { readonly credentials: Pick<Credentials, 'places'> }): Promise<Verdict> {
  if ('file' in archive) return verifyArchive(host, archive.file, options);
  const file = join(host.scratch, `fetched-${randomBytes(4).toString('hex')}-${archive.listed.name}`);
  try {
    await fetchBackup(host, options.cluster, options.credentials, archive.listed, file);
    return await verifyArchive(host, file, options);
  } finally {
    await rm(file, { force: true });
  }
}
