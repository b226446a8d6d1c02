import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { Decrypter, Encrypter } from 'age-encryption';
import tar from 'tar-stream';

/** What somebody can do who is a recipient: entries as [name, bytes], in order, with manifest and signature. */
export type Inside = [string, Buffer][];

/** Opens an archive as a recipient would without us. */
export async function inside(file: string, identity: string): Promise<Inside> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const extract = tar.extract();
  Readable.from([zstdDecompressSync(await decrypter.decrypt(readFileSync(file)))]).pipe(extract);
  const found: Inside = [];
  for await (const entry of extract) {
    const pieces: Buffer[] = [];
    for await (const piece of entry) pieces.push(piece as Buffer);
    found.push([entry.header.name, Buffer.concat(pieces)]);
  }
  return found;
}

async function packed(entries: Inside): Promise<Buffer> {
  const pack = tar.pack();
  for (const [name, bytes] of entries) pack.entry({ name }, bytes);
  pack.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of pack) pieces.push(piece as Buffer);
  return zstdCompressSync(Buffer.concat(pieces));
}

/** Encrypts entries anew for these recipients. */
export async function resealed(entries: Inside, recipients: readonly string[]): Promise<Buffer> {
  const encrypter = new Encrypter();
  recipients.forEach((recipient) => encrypter.addRecipient(recipient));
  return Buffer.from(await encrypter.encrypt(await packed(entries)));
}

/** Puts other entries under the very header of an archive: a recipient knows its file key (age-encryption.org/v1, payload). */
export async function sameHeader(file: string, identity: string, entries: Inside): Promise<Buffer> {
  return underHeader(file, identity, await packed(entries));
}

/** The same with a payload of any kind. */
export async function underHeader(file: string, identity: string, plain: Buffer): Promise<Buffer> {
  const whole = readFileSync(file);
  const header = whole.subarray(0, whole.indexOf('\n', whole.indexOf('\n--- ') + 1) + 1);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const nonce = randomBytes(16);
  const key = Buffer.from(hkdfSync('sha256', await decrypter.decryptHeader(header), nonce, 'payload', 32));
  const chunks: Buffer[] = [header, nonce];
  for (let at = 0, count = 0; at === 0 || at < plain.length; at += 65_536, count += 1) {
    const counter = Buffer.alloc(12);
    counter.writeUInt32BE(count, 7);
    counter[11] = at + 65_536 >= plain.length ? 1 : 0;
    const cipher = createCipheriv('chacha20-poly1305', key, counter, { authTagLength: 16 });
    chunks.push(cipher.update(plain.subarray(at, at + 65_536)), cipher.final(), cipher.getAuthTag());
  }
  return Buffer.concat(chunks);
}
