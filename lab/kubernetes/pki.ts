import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto, type KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { KeyPair } from './types.ts';

x509.cryptoProvider.set(webcrypto);

/** Whom a certificate names and what it may be used for. `days` is its life from now on. */
export type CertificateRequest = {
  readonly commonName: string;
  readonly organization?: string;
  /** Addresses and names of the server; none for a client. */
  readonly sans?: readonly string[];
  readonly usages: readonly ('server' | 'client')[];
  readonly days: number;
};

type SigningAlgorithm = {
  readonly import: { readonly name: string; readonly namedCurve?: string; readonly hash?: string };
  readonly sign: { readonly name: string; readonly hash?: string };
};

const LEAF = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const DAY_MS = 86_400_000;
/** What siderolabs/talos:pkg/kubeconfig/generate.go allows clocks to differ. */
const SKEW_MS = 10_000;

/**
 * Makes a certificate signed by a CA of the machine config (ECDSA, RSA or Ed25519, PEM), with a fresh ECDSA P-256 key,
 * as Talos makes its own for etcd and Kubernetes. Throws what node:crypto throws where the CA is not a usable pair.
 */
export async function issue(ca: KeyPair, request: CertificateRequest): Promise<KeyPair> {
  const caKey = createPrivateKey(ca.key);
  const algorithm = signingAlgorithm(caKey);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', caKey.export({ type: 'pkcs8', format: 'der' }), algorithm.import, false, ['sign']);
  const caCertificate = new x509.X509Certificate(ca.crt);
  const keys = await webcrypto.subtle.generateKey(LEAF, true, ['sign', 'verify']);
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: `00${randomBytes(15).toString('hex')}`,
    issuer: caCertificate.subject,
    subject: distinguishedName(request),
    notBefore: new Date(now - SKEW_MS),
    notAfter: new Date(now + request.days * DAY_MS),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: algorithm.sign,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension(request.usages.map((usage) => x509.ExtendedKeyUsage[`${usage}Auth`])),
      await authorityKeyId(caCertificate),
      ...alternativeNames(request.sans ?? []),
    ],
  } as Parameters<typeof x509.X509CertificateGenerator.create>[0]);
  return { crt: `${certificate.toString('pem')}\n`, key: await privatePem(keys.privateKey) };
}

function distinguishedName(request: CertificateRequest): x509.JsonName {
  return [...(request.organization === undefined ? [] : [{ O: [request.organization] }]), { CN: [request.commonName] }];
}

function alternativeNames(sans: readonly string[]): x509.Extension[] {
  if (sans.length === 0) return [];
  return [new x509.SubjectAlternativeNameExtension([...new Set(sans)].map((value) => ({ type: /^[\d.]+$|:/.test(value) ? 'ip' : 'dns', value })))];
}

function signingAlgorithm(key: KeyObject): SigningAlgorithm {
  if (key.asymmetricKeyType === 'rsa') {
    const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    return { import: rsa, sign: rsa };
  }
  if (key.asymmetricKeyType === 'ed25519') return { import: { name: 'Ed25519' }, sign: { name: 'Ed25519' } };
  const curve = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 'P-256';
  return { import: { name: 'ECDSA', namedCurve: curve }, sign: { name: 'ECDSA', hash: curve === 'P-256' ? 'SHA-256' : 'SHA-512' } };
}

/**
 * The authority key identifier for what a CA signs: the CA's own subject key identifier, however it was made (Go takes a cut
 * SHA-256, others SHA-1 of the key). OpenSSL, and so Node, finds no issuer where the two differ.
 */
export async function authorityKeyId(ca: x509.X509Certificate): Promise<x509.Extension> {
  const own = ca.getExtension(x509.SubjectKeyIdentifierExtension);
  return own ? new x509.AuthorityKeyIdentifierExtension(own.keyId) : x509.AuthorityKeyIdentifierExtension.create(ca.publicKey);
}

/** A private key in PKCS#8 as PEM, with a newline at its end. */
export async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)), 'PRIVATE KEY')}\n`;
}
