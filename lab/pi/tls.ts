import 'reflect-metadata';
import { createHash, createPrivateKey, webcrypto, X509Certificate as NodeCertificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  cryptoProvider, ExtendedKeyUsageExtension, KeyUsageFlags, KeyUsagesExtension,
  Pkcs10CertificateRequest, Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension, X509Certificate, X509CertificateGenerator,
  BasicConstraintsExtension, SubjectKeyIdentifierExtension,
  type Extension, type JsonGeneralName,
} from '@peculiar/x509';
import { authorityKeyId, privatePem } from '../kubernetes/pki.ts';
import type { KeyPair } from '../kubernetes/types.ts';

type Key = webcrypto.CryptoKey;
type Keys = { readonly publicKey: Key; readonly privateKey: Key };

const crypto = webcrypto;
cryptoProvider.set(crypto as never);

const ED25519 = { name: 'Ed25519' };
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** What a certificate is to say. `hours` is its life; `organisations` are Talos roles (`os:admin`) or Kubernetes groups. */
export type CertificateSpec = {
  readonly commonName?: string;
  readonly organisations?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
  readonly usages: readonly string[];
  readonly hours: number;
  /** Key type; Ed25519 unless told. */
  readonly key?: 'Ed25519' | 'P-256';
};

/** PEM of a Talos key under the label that Node and openssl know. siderolabs/crypto writes PKCS#8 under `ED25519 PRIVATE KEY`. */
export function plainKey(pem: string): string {
  return pem.replaceAll('ED25519 PRIVATE KEY', 'PRIVATE KEY');
}

async function signerOf(pem: string): Promise<{ key: Key; algorithm: { name: string } }> {
  const node = createPrivateKey(plainKey(pem));
  const der = node.export({ type: 'pkcs8', format: 'der' });
  const algorithm = node.asymmetricKeyType === 'ed25519' ? ED25519
    : node.asymmetricKeyType === 'ec' ? { ...P256, namedCurve: node.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256' }
      : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  return { key: await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']), algorithm };
}

function subjectOf(spec: CertificateSpec): string {
  const parts = (spec.organisations ?? []).map((o) => `O=${o}`);
  return [...parts, ...(spec.commonName === undefined ? [] : [`CN=${spec.commonName}`])].join(', ');
}

/** Names and addresses of a server's certificate, of further ones that a config names (`machine.certSANs`). */
export function withSans(names: readonly string[], addresses: readonly string[], more: readonly string[]): Pick<CertificateSpec, 'dnsNames' | 'addresses'> {
  return {
    dnsNames: [...new Set([...names, ...more.filter((one) => isIP(one) === 0)])],
    addresses: [...new Set([...addresses, ...more.filter((one) => isIP(one) !== 0)])],
  };
}

function alternativeNames(spec: CertificateSpec): JsonGeneralName[] {
  return [
    ...(spec.dnsNames ?? []).map((value): JsonGeneralName => ({ type: 'dns', value })),
    ...(spec.addresses ?? []).map((value): JsonGeneralName => ({ type: 'ip', value })),
  ];
}

async function extensionsOf(spec: CertificateSpec, issuer: X509Certificate): Promise<Extension[]> {
  const names = alternativeNames(spec);
  return [
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([...spec.usages]),
    await authorityKeyId(issuer),
    ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)]),
  ];
}

function serial(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex').replace(/^[89a-f]/, '1');
}

async function newKeys(kind: 'Ed25519' | 'P-256' = 'Ed25519'): Promise<Keys> {
  return await crypto.subtle.generateKey(kind === 'Ed25519' ? ED25519 : P256, true, ['sign', 'verify']) as Keys;
}

function life(hours: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - 10_000), notAfter: new Date(Date.now() + hours * 3_600_000) };
}

/** Issues a certificate for a new key. Throws what node:crypto says of a CA key that is none. */
export async function issue(ca: KeyPair, spec: CertificateSpec): Promise<KeyPair> {
  const signer = await signerOf(ca.key);
  const authority = new X509Certificate(ca.crt);
  const keys = await newKeys(spec.key);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(), subject: subjectOf(spec), issuer: authority.subject, ...life(spec.hours),
    signingAlgorithm: signer.algorithm, publicKey: keys.publicKey, signingKey: signer.key,
    extensions: await extensionsOf(spec, authority),
  });
  return { crt: `${certificate.toString('pem')}\n`, key: await privatePem(keys.privateKey) };
}

/** A CA of one's own, for maintenance mode (its certificate is never sent) and for tests. */
export async function createAuthority(organisation: string | undefined, hours: number): Promise<KeyPair> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(), subject: organisation === undefined ? '' : `O=${organisation}`, issuer: organisation === undefined ? '' : `O=${organisation}`, ...life(hours),
    signingAlgorithm: ED25519, publicKey: keys.publicKey, signingKey: keys.privateKey,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { crt: `${certificate.toString('pem')}\n`, key: await privatePem(keys.privateKey) };
}

/** A certificate request (PEM) and the key it is for, as a worker sends to trustd. */
export async function createRequest(spec: CertificateSpec): Promise<{ readonly csr: string; readonly key: string }> {
  const keys = await newKeys();
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: subjectOf(spec), keys, signingAlgorithm: ED25519, extensions: [new SubjectAlternativeNameExtension(alternativeNames(spec))],
  });
  return { csr: `${request.toString('pem')}\n`, key: await privatePem(keys.privateKey) };
}

/** Signs a certificate request for a server, never for a client (siderolabs/talos:internal/app/trustd). Throws on a request that is none. */
export async function signRequest(ca: KeyPair, csr: string, hours: number): Promise<string> {
  const request = new Pkcs10CertificateRequest(csr);
  if (!await request.verify()) throw new Error('signature of the request is wrong');
  const signer = await signerOf(ca.key);
  const authority = new X509Certificate(ca.crt);
  const names = request.extensions.find((extension) => extension instanceof SubjectAlternativeNameExtension);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(), subject: request.subject.split(',').map((s) => s.trim()).filter((s) => !s.startsWith('O=')).join(', '),
    issuer: authority.subject, ...life(hours), signingAlgorithm: signer.algorithm, publicKey: request.publicKey, signingKey: signer.key,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true), new ExtendedKeyUsageExtension([SERVER_AUTH]),
      await authorityKeyId(authority), ...(names ? [names] : []),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** Base64 of the SHA-256 of a certificate's public key, as `talosctl --cert-fingerprint` wants it. */
export function fingerprint(crt: string): string {
  return createHash('sha256').update(new NodeCertificate(crt).publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
}
