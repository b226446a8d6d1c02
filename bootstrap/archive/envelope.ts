import { createHash } from 'node:crypto';
import { createReadStream, type ReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Decrypter, Encrypter } from 'age-encryption';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';

/** Bytes within which an age header has to end: that of forty recipients does. */
const LONGEST_HEADER = 16 * 1024;
const NONCE = 16;
/** Bytes that age encrypts as one, and what each gets on top (age-encryption.org/v1, payload). */
const CHUNK = 64 * 1024;
const TAG = 16;

/**
 * Encrypts what `plain` gives for every recipient and hands it on. `plain` is told the SHA-256 (hex) of the header before its first byte is
 * asked for: the header says who can decrypt, so that what is inside can vouch for it.
 */
export async function* sealed(recipients: readonly string[], plain: (header: Promise<string>) => AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const encrypter = new Encrypter();
  for (const recipient of new Set(recipients)) encrypter.addRecipient(recipient);
  const header = Promise.withResolvers<string>();
  let start = Buffer.alloc(0);
  try {
    for await (const piece of await encrypter.encrypt(ReadableStream.from(plain(header.promise)) as ReadableStream<Uint8Array>)) {
      if (start.length <= LONGEST_HEADER) {
        start = Buffer.concat([start, piece]);
        const found = headerOf(start);
        if (found) {
          header.resolve(digest(found));
          start = Buffer.alloc(LONGEST_HEADER + 1);
        }
      }
      yield piece;
    }
  } finally {
    header.resolve('');
  }
}

/** An encrypted file opened: the SHA-256 (hex) of its header, how many recipients that names, and what comes out. */
export type Opened = { readonly header: string; readonly recipients: number; readonly plain: AsyncIterable<Uint8Array> };

/**
 * Decrypts a file with the first identity that fits. Nothing that was changed, cut or added to comes out: that ends `plain` with
 * `E_ARCHIVE_DAMAGED`, which tells where. Throws `E_ARCHIVE_NOT` (no age file), `E_ARCHIVE_KEY`, `E_ARCHIVE_DAMAGED` (the header).
 */
export async function unsealed(host: Host, file: string, identities: readonly string[]): Promise<Opened> {
  const header = headerOf(await startOf(file));
  const where = { where: { file } };
  if (!header) throw problem('E_ARCHIVE_NOT', `${file} is no encrypted archive: it does not begin as one`, 'Name a file that `firstlight backup` wrote.', where);
  const recipients = header.toString('latin1').split('\n').filter((line) => line.startsWith('-> ')).length;
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  const source = createReadStream(file, { signal: host.signal });
  const plain = await decrypter.decrypt(ReadableStream.from(source) as ReadableStream<Uint8Array>).catch((error: unknown) => {
    source.destroy();
    host.signal.throwIfAborted();
    if (/no identity matched/.test(String(error))) {
      throw problem('E_ARCHIVE_KEY', `none of ${identities.length} age ${identities.length === 1 ? 'identity' : 'identities'} at hand opens ${file}, which names ${recipients} recipients`,
        'Set SOPS_AGE_KEY_FILE to the file with an identity of one of them. If one of them is there, the archive’s header is damaged: take another archive.', where);
    }
    throw problem('E_ARCHIVE_DAMAGED', `${file} is damaged in its first ${header.length + NONCE} bytes, which say who can decrypt it`, 'Take another archive: this one was changed after it was made.', where);
  });
  return { header: digest(header), recipients, plain: chunks(host, { file, plain, source, from: header.length + NONCE }) };
}

type Payload = { readonly file: string; readonly plain: AsyncIterable<Uint8Array>; readonly source: ReadStream; readonly from: number };

async function* chunks(host: Host, { file, plain, source, from }: Payload): AsyncIterable<Uint8Array> {
  let count = 0;
  try {
    for await (const chunk of plain) {
      count += 1;
      yield chunk;
    }
  } catch (error) {
    host.signal.throwIfAborted();
    const [first, last] = [from + count * (CHUNK + TAG), from + (count + 1) * (CHUNK + TAG)];
    throw problem('E_ARCHIVE_DAMAGED', `${file} was changed or cut off between byte ${first} and ${last}, or something was added at its end`, 'Take another archive: this one is not as it was made.', { where: { file }, cause: error });
  } finally {
    source.destroy();
  }
}

/** The whole age header, to the end of the line with its MAC; undefined where there is none. */
function headerOf(bytes: Buffer): Buffer | undefined {
  if (!bytes.subarray(0, 22).equals(Buffer.from('age-encryption.org/v1\n'))) return undefined;
  const mac = bytes.indexOf('\n--- ');
  const end = mac < 0 ? -1 : bytes.indexOf('\n', mac + 1);
  return end < 0 ? undefined : bytes.subarray(0, end + 1);
}

async function startOf(file: string): Promise<Buffer> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw problem('E_ARCHIVE_NOT', `${file} can't be read`, 'Name a file that is there; `firstlight backup list` shows the archives in the places.', { where: { file }, cause });
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LONGEST_HEADER), 0, LONGEST_HEADER, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
