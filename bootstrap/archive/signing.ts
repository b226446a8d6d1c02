import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { problem } from '../../lib/errors.ts';

/** What is signed begins with this, so that a signature of something else can't be taken for one of a manifest. */
const PURPOSE = 'firstlight backup manifest v1\n';

/** Before the 32 bytes of a public Ed25519 key in its DER form (RFC 8410, 4). */
const PUBLIC_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/** A new Ed25519 key: its private half as PKCS 8 DER in base64, for credentials.sops.yaml. A secret. */
export function makeSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
}

/** The public half of a private one: 32 bytes in base64url. Throws `E_BACKUP_KEY` for anything that is no such key. */
export function signerOf(key: string): string {
  return String(createPublicKey(privateKey(key)).export({ format: 'jwk' })['x']);
}

/** The signature (64 bytes) of a manifest's bytes. Throws `E_BACKUP_KEY`. */
export function signManifest(manifest: Uint8Array, key: string): Buffer {
  return sign(null, signedBytes(manifest), privateKey(key));
}

/** Whether the signature is that of this signer (public half in base64url) over these very bytes. */
export function isSigned(manifest: Uint8Array, signature: Uint8Array, signer: string): boolean {
  const raw = Buffer.from(signer, 'base64url');
  if (raw.length !== 32 || raw.toString('base64url') !== signer) return false;
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_HEAD, raw]), format: 'der', type: 'spki' });
  return verify(null, signedBytes(manifest), key, signature);
}

function signedBytes(manifest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(PURPOSE), manifest]);
}

function privateKey(key: string): KeyObject {
  try {
    const read = createPrivateKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'pkcs8' });
    if (read.asymmetricKeyType === 'ed25519') return read;
  } catch {
    // Told below, without what the library says of the key.
  }
  throw problem('E_BACKUP_KEY', 'backupKey in the credentials is no Ed25519 key', 'Bring back the last good credentials.sops.yaml from git’s history.');
}
