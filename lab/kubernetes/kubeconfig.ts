import { stringify } from 'yaml';
import { issue } from './pki.ts';
import type { ControlPlaneMaterial, KeyPair } from './types.ts';

/** A client certificate's life where the config says nothing else (siderolabs/talos:pkg/machinery/constants). */
const ADMIN_DAYS = 365;

/**
 * The kubeconfig that `talosctl kubeconfig` delivers (siderolabs/talos:pkg/kubeconfig/generate.go): cluster by its name, context
 * and user `admin@<cluster>`, namespace default, a new client certificate (CN admin, O system:masters) each time.
 */
export async function adminKubeconfig(material: ControlPlaneMaterial): Promise<string> {
  const pair = await adminPair(material);
  return kubeconfig({ cluster: material.clusterName, endpoint: material.endpoint, ca: material.kubernetesCa.crt, user: 'admin', pair });
}

/** The client certificate of that kubeconfig alone. */
export function adminPair(material: Pick<ControlPlaneMaterial, 'kubernetesCa'>): Promise<KeyPair> {
  return issue(material.kubernetesCa, { commonName: 'admin', organization: 'system:masters', usages: ['client'], days: ADMIN_DAYS });
}

/** A kubeconfig with one cluster, one user with a client certificate or the file of a token, and one context. */
export function kubeconfig(of: { cluster: string; endpoint: string; ca: string; user: string } & ({ pair: KeyPair } | { tokenFile: string })): string {
  const name = `${of.user}@${of.cluster}`;
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: of.cluster, cluster: { server: of.endpoint, 'certificate-authority-data': base64(of.ca) } }],
    users: [{ name, user: 'pair' in of ? { 'client-certificate-data': base64(of.pair.crt), 'client-key-data': base64(of.pair.key) } : { tokenFile: of.tokenFile } }],
    contexts: [{ name, context: { cluster: of.cluster, namespace: 'default', user: name } }],
    'current-context': name,
  }, { lineWidth: 0 });
}
