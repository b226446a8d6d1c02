import 'reflect-metadata';
import { generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { ControlPlaneMaterial, KeyPair, KubeletMaterial } from '../../../lab/kubernetes/types.ts';

x509.cryptoProvider.set(webcrypto);

/** What `talosctl gen config` writes: only kube-system may do what `baseline` forbids. */
const PODS = { name: 'PodSecurity', configuration: {
  apiVersion: 'pod-security.admission.config.k8s.io/v1alpha1', kind: 'PodSecurityConfiguration',
  defaults: { enforce: 'baseline', 'enforce-version': 'latest' }, exemptions: { namespaces: ['kube-system'], runtimeClasses: [], usernames: [] },
} };

/** A control plane's material with fresh CAs, as a Talos machine config holds it. */
export async function selfMadeMaterial(nodeName: string, address: string): Promise<ControlPlaneMaterial> {
  const [etcdCa, kubernetesCa, aggregatorCa] = await Promise.all([authority('etcd'), authority('kubernetes'), authority('front-proxy')]);
  const serviceAccountKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  return {
    nodeName, address, clusterName: 'gandalf', endpoint: `https://${address}:6443`, etcdCa, kubernetesCa, aggregatorCa, serviceAccountKey,
    encryption: { secretbox: randomBytes(32).toString('base64') }, bootstrapToken: 'abcdef.0123456789abcdef',
    serviceSubnet: '10.96.0.0/12', podSubnet: '10.244.0.0/16', images: { 'kube-apiserver': 'registry.k8s.io/kube-apiserver:v1.34.4' }, admission: [PODS], certSans: [address],
  };
}

/** The kubelet's share of a control plane's material, for a node of that cluster. */
export function kubeletOf(material: ControlPlaneMaterial, nodeName: string, address: string, role: KubeletMaterial['role']): KubeletMaterial {
  return {
    nodeName, address, role, schedulable: role === 'worker', clusterName: material.clusterName, endpoint: material.endpoint, caCrt: material.kubernetesCa.crt, bootstrapToken: material.bootstrapToken,
    labels: { 'example.test/shelf': 'upper' }, kubeletVersion: 'v1.34.4',
  };
}

async function authority(organization: string): Promise<KeyPair> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const signer = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign']);
  const jwk = await webcrypto.subtle.exportKey('jwk', signer);
  const { d: _d, ...open } = jwk;
  const publicKey = await webcrypto.subtle.importKey('jwk', { ...open, key_ops: ['verify'] }, algorithm, true, ['verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: `00${randomBytes(8).toString('hex')}`, name: [{ O: [organization] }],
    notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000),
    keys: { privateKey: signer, publicKey }, signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return { crt: `${certificate.toString('pem')}\n`, key: privateKey.export({ type: 'sec1', format: 'pem' }).toString() };
}
