import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { privatePem } from '../kubernetes/pki.ts';
import type { KeyPair } from '../kubernetes/types.ts';

/** A new authority, as a homelab's owner makes one: ECDSA P-256, a month long. `name` is its subject, `CN=…`. */
export async function makeAuthority(name: string): Promise<KeyPair> {
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = Date.now();
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    keys, name, signingAlgorithm: algorithm, notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 30 * 86_400_000),
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { crt: `${made.toString('pem')}\n`, key: await privatePem(keys.privateKey) };
}
