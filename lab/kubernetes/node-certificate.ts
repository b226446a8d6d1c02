import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { writeWhole } from '../../lib/files.ts';
import { kubeClient } from './client.ts';
import { privatePem } from './pki.ts';
import { pause } from './secure-client.ts';
import type { KeyPair, KubeletMaterial } from './types.ts';

x509.cryptoProvider.set(webcrypto);

const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const FILE = 'kubelet-client-current.pem';
const LOOK_MS = 100;

type SigningRequest = {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly certificate?: string; readonly conditions?: readonly { readonly type: string; readonly message?: string }[] };
};

/**
 * The node's client certificate (CN system:node:<name>): the one kept in `folder` (`/var/lib/kubelet/pki`) while it is valid for this
 * node and this CA, else a new one, which the cluster signs for the bootstrap token. Throws KubeRefusal (a foreign token), the
 * connection's error, or the denial.
 */
export async function nodeCertificate(material: KubeletMaterial, folder: string, signal: AbortSignal): Promise<KeyPair> {
  const kept = await readFile(join(folder, FILE), 'utf8').then(splitPair, () => undefined);
  if (kept && isOurs(kept.crt, material)) return kept;
  const pair = await requestCertificate(material, signal);
  await writeWhole(join(folder, FILE), pair.crt + pair.key, 0o600);
  return pair;
}

async function requestCertificate(material: KubeletMaterial, signal: AbortSignal): Promise<KeyPair> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: [`system:node:${material.nodeName}`] }], keys, signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  const client = kubeClient({ url: new URL(material.endpoint).origin, ca: material.caCrt, token: material.bootstrapToken });
  try {
    const { metadata } = await client.create(REQUESTS, {
      apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { generateName: 'csr-' },
      spec: {
        signerName: 'kubernetes.io/kube-apiserver-client-kubelet', usages: ['digital signature', 'client auth'],
        request: Buffer.from(request.toString('pem')).toString('base64'),
      },
    });
    do {
      const { status } = await client.get<SigningRequest>(`${REQUESTS}/${metadata.name}`);
      const refused = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
      if (refused) throw new Error(`the certificate of ${material.nodeName} is refused: ${refused.message ?? refused.type}`);
      if (status?.certificate) return { crt: Buffer.from(status.certificate, 'base64').toString(), key: await privatePem(keys.privateKey) };
    } while (await pause(LOOK_MS, signal));
    throw new Error('the node goes down');
  } finally {
    client.close();
  }
}

function splitPair(text: string): KeyPair {
  const at = text.indexOf('-----BEGIN PRIVATE KEY');
  return { crt: text.slice(0, at), key: text.slice(at) };
}

function isOurs(crt: string, material: KubeletMaterial): boolean {
  try {
    const certificate = new X509Certificate(crt);
    return certificate.subject.split('\n').includes(`CN=system:node:${material.nodeName}`) && Date.parse(certificate.validTo) > Date.now()
      && certificate.verify(new X509Certificate(material.caCrt).publicKey);
  } catch {
    return false;
  }
}
