import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import tar from 'tar-stream';
import { problem } from '../../lib/errors.ts';
import { syncFolder } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import { sealed } from './envelope.ts';
import { digestOf, readPieces, sizeOf } from './places/transfer.ts';
import { signerOf, signManifest } from './signing.ts';
import { FORMAT, type Entry, type Manifest } from './types.ts';

/** What goes in under a name: a file that nobody else writes to, or a text in hand. */
export type Part = { readonly name: string; readonly file: string } | { readonly name: string; readonly text: string | Uint8Array };

/** All that an archive is made of; `about` is the part of the manifest that is not made here, `key` the private half that signs (a secret). */
export type Contents = {
  readonly about: Omit<Manifest, 'format' | 'header' | 'signer' | 'entries'>;
  readonly parts: readonly Part[];
  readonly key: string;
};

/** Names of the two entries that come first. */
export const MANIFEST = 'manifest.json';
/** See `MANIFEST`. */
export const SIGNATURE = 'manifest.sig';

/**
 * Writes an archive: tar, zstd, age for every recipient of the manifest; its manifest signed, in front. The file (0600) is there whole or not at
 * all. Nothing of the parts is written in the clear. Throws `E_BACKUP_RECIPIENTS` for fewer than two different recipients,
 * `E_BACKUP_KEY`, `E_ARCHIVE_FILE`.
 */
export async function packArchive(host: Host, file: string, contents: Contents): Promise<Manifest> {
  const recipients = [...new Set(contents.about.recipients.map(({ key }) => key))];
  if (recipients.length < 2) {
    throw problem('E_BACKUP_RECIPIENTS', `the backup would be encrypted for ${recipients.length} recipient, so one lost key loses it`, 'Name at least two different age recipients under secrets.recipients (the cluster’s and your own, better also one kept offline).');
  }
  const entries = await Promise.all(contents.parts.map((part) => entryOf(host, part)));
  let manifest: Manifest | undefined;
  const plain = async function* (header: Promise<string>): AsyncIterable<Uint8Array> {
    manifest = { format: FORMAT, ...contents.about, header: await header, signer: signerOf(contents.key), entries };
    const text = `${JSON.stringify(manifest, null, 2)}\n`;
    const signature = signManifest(Buffer.from(text), contents.key).toString('base64');
    const zstd = createZstdCompress();
    const parts: Part[] = [{ name: MANIFEST, text }, { name: SIGNATURE, text: signature }, ...contents.parts];
    const feeding = pipeline(tarOf(parts, entries, contents.about.at), zstd);
    // Its failure ends the reading of zstd, too, and is told there.
    feeding.catch(() => {});
    yield* zstd as AsyncIterable<Uint8Array>;
    await feeding;
  };
  await writeAside(host, file, sealed(recipients, plain)).catch((error: unknown) => {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw problem('E_ARCHIVE_FILE', `the archive can't be written into ${dirname(file)} (${code})`, 'Point XDG_RUNTIME_DIR to a private folder with enough room, in memory where possible, and run again.', { where: { file }, cause: error });
  });
  return manifest!;
}

async function entryOf(host: Host, part: Part): Promise<Entry> {
  if ('text' in part) return { name: part.name, bytes: Buffer.byteLength(part.text), sha256: createHash('sha256').update(part.text).digest('hex') };
  return { name: part.name, bytes: await sizeOf(part.file), sha256: await digestOf(readPieces(host, part.file).pieces) };
}

async function* tarOf(parts: readonly Part[], entries: readonly Entry[], at: string): AsyncIterable<Uint8Array> {
  const pack = tar.pack();
  const fill = async (): Promise<void> => {
    for (const part of parts) {
      const header = { name: part.name, mode: 0o600, mtime: new Date(at) };
      if ('text' in part) pack.entry(header, Buffer.from(part.text));
      else await pipeline(createReadStream(part.file), pack.entry({ ...header, size: entries.find(({ name }) => name === part.name)?.bytes ?? 0 }));
    }
    pack.finalize();
  };
  fill().catch((error: unknown) => pack.destroy(error as Error));
  yield* pack as AsyncIterable<Uint8Array>;
}

async function writeAside(host: Pick<Host, 'signal'>, file: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const aside = join(dirname(file), `.${basename(file)}.new`);
  try {
    await rm(aside, { force: true });
    const out = await open(aside, 'wx', 0o600);
    try {
      for await (const piece of pieces) {
        host.signal.throwIfAborted();
        await out.writeFile(piece);
      }
      await out.sync();
    } finally {
      await out.close();
    }
    await rename(aside, file);
    await syncFolder(dirname(file));
  } finally {
    await rm(aside, { force: true });
  }
}
