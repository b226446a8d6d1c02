import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { cryptoProvider, IP, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { privatePem } from '../../kubernetes/pki.ts';
import type { NasCertificate } from '../types.ts';

/** A self-signed certificate as a fresh DSM has one: ECDSA P-256, a year long, for its address. */
export async function selfSigned(address: string): Promise<NasCertificate> {
  cryptoProvider.set(crypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = Date.now();
  const made = await X509CertificateGenerator.createSelfSigned({
    keys, name: 'CN=synology, O=Synology Inc.', signingAlgorithm: algorithm,
    notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 365 * 86_400_000),
    extensions: [new SubjectAlternativeNameExtension([{ type: IP, value: address }])],
  });
  return { cert: made.toString('pem'), key: await privatePem(keys.privateKey) };
}

/** SHA-256 of a PEM certificate, hex. */
export function fingerprintOf(cert: string): string {
  const body = cert.replace(/-----[^-]+-----/g, '').replace(/\s/g, '');
  return createHash('sha256').update(Buffer.from(body, 'base64')).digest('hex');
}
