import { stringify } from 'yaml';
import { problem } from '../lib/errors.ts';
import type { Cluster, Nas } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';

/**
 * What the CSI credentials are in the cluster, and their file in the repository. The chart synology-csi reads that key of the
 * Secret that its value `clientInfoSecret.name` names (christian-schlichtherle/synology-csi-chart: templates/node/daemonset.yaml).
 */
export const CSI = {
  file: 'client-info.sops.yaml',
  namespace: 'synology-csi',
  secret: 'client-info-secret',
  key: 'client-info.yaml',
} as const;

/**
 * The driver's `client-info.yaml`: which DSM, with which account (SynologyOpenSource/synology-csi: config/client-info-template.yml).
 * Throws `E_GITOPS_NO_NAS` for a cluster without a NAS, `E_CREDENTIALS_MISSING` without its password.
 */
export function clientInfo(cluster: Cluster, credentials: Pick<Credentials, 'nasPassword'>): string {
  const nas = requireNas(cluster);
  if (!credentials.nasPassword) {
    throw problem('E_CREDENTIALS_MISSING', 'nasPassword is missing in the credentials', 'Put it into credentials.sops.yaml with `sops edit`.');
  }
  return stringify({ clients: [{ host: nas.address, port: nas.port, https: nas.https, username: nas.user, password: credentials.nasPassword }] });
}

/** The Secret in the clear, as it is encrypted into the repository. Throws what `clientInfo` throws. */
export function csiSecret(cluster: Cluster, credentials: Pick<Credentials, 'nasPassword'>): object {
  return {
    apiVersion: 'v1', kind: 'Secret', type: 'Opaque',
    metadata: { name: CSI.secret, namespace: CSI.namespace },
    stringData: { [CSI.key]: clientInfo(cluster, credentials) },
  };
}

function requireNas(cluster: Cluster): Nas {
  if (cluster.nas) return cluster.nas;
  throw problem('E_GITOPS_NO_NAS', `cluster ${cluster.name} has no nas section, so there are no CSI credentials`, 'Add the section nas to cluster.yaml.');
}
