import { createHash } from 'node:crypto';
import { createIfMissing, type KubeClient, type KubeObject } from './client.ts';
import type { ControlPlaneMaterial } from './types.ts';

/**
 * Shows what runs beside the kubelet of a control plane as its kubelet would: one mirror Pod for each static pod, with Talos's names
 * and labels (siderolabs/talos:internal/app/machined/pkg/controllers/k8s/control_plane_static_pod.go). Those that are there stay.
 */
export async function showStaticPods(client: KubeClient, material: ControlPlaneMaterial, node: KubeObject): Promise<void> {
  for (const [name, image] of Object.entries(material.images)) {
    const hash = createHash('sha256').update(`${node.metadata.uid}/${name}/${image}`).digest('hex').slice(0, 32);
    await createIfMissing(client, '/api/v1/namespaces/kube-system/pods', {
      apiVersion: 'v1', kind: 'Pod',
      metadata: {
        name: `${name}-${material.nodeName}`, namespace: 'kube-system',
        labels: { tier: 'control-plane', 'k8s-app': name, component: name, version: image.split(':').at(-1) },
        annotations: { 'kubernetes.io/config.mirror': hash, 'kubernetes.io/config.hash': hash, 'kubernetes.io/config.source': 'file' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: material.nodeName, uid: node.metadata.uid, controller: true }],
      },
      spec: {
        nodeName: material.nodeName, hostNetwork: true, priorityClassName: 'system-cluster-critical', priority: 2_000_000_000,
        tolerations: [{ operator: 'Exists', effect: 'NoExecute' }], containers: [{ name, image }],
      },
    });
  }
}
