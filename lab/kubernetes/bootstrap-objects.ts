import { createIfMissing, type KubeClient } from './client.ts';
import type { ControlPlaneMaterial } from './types.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const BOOTSTRAPPERS = { kind: 'Group', name: 'system:bootstrappers:nodes', apiGroup: 'rbac.authorization.k8s.io' };

/**
 * Writes what Talos writes at bootstrap (siderolabs/talos:internal/app/machined/pkg/controllers/k8s/internal/k8stemplates): the
 * bootstrap token as a Secret and the bindings with which kubelets trade it for client certificates of their own.
 */
export async function writeBootstrapObjects(client: KubeClient, material: ControlPlaneMaterial): Promise<void> {
  const [id = '', secret = ''] = material.bootstrapToken.split('.');
  await createIfMissing(client, '/api/v1/namespaces/kube-system/secrets', {
    apiVersion: 'v1', kind: 'Secret', type: 'bootstrap.kubernetes.io/token',
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    stringData: { 'token-id': id, 'token-secret': secret, 'usage-bootstrap-authentication': 'true', 'auth-extra-groups': BOOTSTRAPPERS.name },
  });
  await bind(client, 'system-bootstrap-node-bootstrapper', 'system:node-bootstrapper');
  await bind(client, 'system-bootstrap-approve-node-client-csr', 'system:certificates.k8s.io:certificatesigningrequests:nodeclient');
  await bind(client, 'system-bootstrap-node-renewal', 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient', { ...BOOTSTRAPPERS, name: 'system:nodes' });
}

async function bind(client: KubeClient, name: string, role: string, subject: object = BOOTSTRAPPERS): Promise<void> {
  await createIfMissing(client, `${RBAC}/clusterrolebindings`, {
    apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name }, subjects: [subject],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
  });
}
