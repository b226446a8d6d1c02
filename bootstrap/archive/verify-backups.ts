import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { fetchBackup, type Listed } from './list.ts';
import { digestOf, readPieces } from './places/transfer.ts';
import { verifyArchive, type Verdict, type VerifyOptions } from './verify.ts';

/** An archive to prove: a file of this machine, or one that places have. */
export type ToVerify = { readonly file: string } | { readonly listed: Listed };

/** What came of one, in these places: proven good, or refused with the reason. An archive of which places have different copies is there once for each. */
export type Verified = { readonly name: string; readonly places: readonly string[] } & ({ readonly verdict: Verdict } | { readonly refused: FirstlightError });

type Options = VerifyOptions & { readonly credentials: Pick<Credentials, 'places'> };

/**
 * Proves archives one after another, of those in places the copy of each place: they are brought to the scratch folder for it, and go again. A
 * refusal is no failure of the look: it is told by an event `backup.refused` and in what is given back. Throws an abort, and what is no `FirstlightError`.
 */
export async function verifyBackups(host: Host, archives: readonly ToVerify[], options: Options): Promise<readonly Verified[]> {
  const all: Verified[] = [];
  for (const archive of archives) {
    host.emit({ code: 'backup.verifying', message: 'file' in archive ? archive.file : archive.listed.name });
    if ('file' in archive) all.push(await judged(host, { name: archive.file, places: [] }, () => verifyArchive(host, archive.file, options)));
    else all.push(...await verifyCopies(host, archive.listed, options));
  }
  return all;
}

/** A copy that is byte for byte a proven one is not proven again. */
async function verifyCopies(host: Host, listed: Listed, options: Options): Promise<readonly Verified[]> {
  const good = new Map<string, { readonly places: string[]; readonly verdict: Verdict }>();
  const refused: Verified[] = [];
  for (const place of listed.places) {
    const folder = await mkdtemp(join(host.scratch, 'fetched-'));
    const file = join(folder, listed.name);
    try {
      const one = await judged(host, { name: listed.name, places: [place] }, async () => {
        await fetchBackup(host, options.cluster, options.credentials, { ...listed, places: [place] }, file);
        return good.get(await digestOf(readPieces(host, file).pieces))?.verdict ?? await verifyArchive(host, file, options);
      });
      if ('refused' in one) refused.push(one);
      else good.set(one.verdict.archive.sha256, { verdict: one.verdict, places: [...good.get(one.verdict.archive.sha256)?.places ?? [], place] });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return [...[...good.values()].map((each) => ({ name: listed.name, ...each })), ...refused];
}

async function judged(host: Host, about: { readonly name: string; readonly places: readonly string[] }, prove: () => Promise<Verdict>): Promise<Verified> {
  const told = [about.name, ...about.places].join(' in ');
  try {
    const verdict = await prove();
    host.emit({ code: 'backup.verified', message: told });
    return { ...about, verdict };
  } catch (error) {
    host.signal.throwIfAborted();
    if (!(error instanceof FirstlightError)) throw error;
    host.emit({ code: 'backup.refused', message: `${told}: ${error.message}`, data: { error: error.code } });
    return { ...about, refused: error };
  }
}
