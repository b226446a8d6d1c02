import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Etcd } from './etcd.ts';
import { issue } from './pki.ts';
import { writePair, writeSecret } from './pki-folder.ts';
import type { ControlPlaneMaterial } from './types.ts';

const YEAR = 365;

/**
 * Writes the API server's certificates and encryption config and gives its flags, as Talos sets them
 * (siderolabs/talos:internal/app/machined/pkg/controllers/k8s/control_plane_static_pod.go), with these differences: no endpoint
 * reconciler (loopback endpoints are invalid), no audit log, short intervals.
 */
export async function apiServerFlags(material: ControlPlaneMaterial, etcd: Etcd, folder: string): Promise<string[]> {
  const pki = join(folder, 'pki');
  const { kubernetesCa, aggregatorCa } = material;
  const sans = [
    material.address, new URL(material.endpoint).hostname, material.nodeName, ...material.certSans, firstAddress(material.serviceSubnet),
    'kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local', 'localhost', '127.0.0.1',
  ];
  const [server, kubelet, proxy] = await Promise.all([
    issue(kubernetesCa, { commonName: 'kube-apiserver', organization: 'kube-master', sans, usages: ['server'], days: YEAR }),
    issue(kubernetesCa, { commonName: 'apiserver-kubelet-client', organization: 'system:masters', usages: ['client'], days: YEAR }),
    issue(aggregatorCa, { commonName: 'front-proxy-client', usages: ['client'], days: YEAR }),
  ]);
  const serverFiles = await writePair(pki, 'apiserver', server);
  const kubeletFiles = await writePair(pki, 'apiserver-kubelet-client', kubelet);
  const proxyFiles = await writePair(pki, 'front-proxy-client', proxy);
  const serviceAccountKey = await writeSecret(pki, 'service-account.key', material.serviceAccountKey);
  const flags: Record<string, string> = {
    'advertise-address': material.address,
    'bind-address': material.address,
    'secure-port': '6443',
    'allow-privileged': 'true',
    'anonymous-auth': 'false',
    'api-audiences': material.endpoint,
    'authorization-mode': 'Node,RBAC',
    'enable-admission-plugins': 'NodeRestriction',
    'admission-control-config-file': await writeSecret(pki, 'admission-control.yaml', admissionConfig(material)),
    'enable-bootstrap-token-auth': 'true',
    'encryption-provider-config': await writeSecret(pki, 'encryptionconfig.yaml', encryptionConfig(material)),
    'client-ca-file': await writeSecret(pki, 'ca.crt', kubernetesCa.crt),
    'tls-cert-file': serverFiles.crt,
    'tls-private-key-file': serverFiles.key,
    'kubelet-client-certificate': kubeletFiles.crt,
    'kubelet-client-key': kubeletFiles.key,
    'requestheader-client-ca-file': await writeSecret(pki, 'aggregator-ca.crt', aggregatorCa.crt),
    'requestheader-allowed-names': 'front-proxy-client',
    'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
    'requestheader-group-headers': 'X-Remote-Group',
    'requestheader-username-headers': 'X-Remote-User',
    'proxy-client-cert-file': proxyFiles.crt,
    'proxy-client-key-file': proxyFiles.key,
    'etcd-servers': etcd.clientUrl,
    'etcd-cafile': etcd.tls.files.ca,
    'etcd-certfile': etcd.tls.files.crt,
    'etcd-keyfile': etcd.tls.files.key,
    'service-account-issuer': material.endpoint,
    'service-account-key-file': serviceAccountKey,
    'service-account-signing-key-file': serviceAccountKey,
    'service-cluster-ip-range': material.serviceSubnet,
    'endpoint-reconciler-type': 'none',
    'shutdown-delay-duration': '0s',
    'shutdown-watch-termination-grace-period': '0s',
    'profiling': 'false',
    'v': '0',
  };
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}

function admissionConfig({ admission }: ControlPlaneMaterial): string {
  const plugins = admission.map(({ name, configuration }) => ({ name, configuration }));
  return stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AdmissionConfiguration', plugins });
}

/** Secrets at rest, under the names Talos gives the keys. */
function encryptionConfig({ encryption }: ControlPlaneMaterial): string {
  const { secretbox, aescbc } = encryption;
  return stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{
      resources: ['secrets'],
      providers: [
        ...(secretbox === undefined ? [] : [{ secretbox: { keys: [{ name: 'key2', secret: secretbox }] } }]),
        ...(aescbc === undefined ? [] : [{ aescbc: { keys: [{ name: 'key1', secret: aescbc }] } }]),
        { identity: {} },
      ],
    }],
  });
}

function firstAddress(subnet: string): string {
  const [address = ''] = subnet.split('/');
  return address.replace(/\d+$/, (last) => String(Number(last) + 1));
}
