import type { KubeletMaterial } from './types.ts';

const KI = 1024;

/** A Raspberry Pi 4B with 8 GB and a 64 GB card, as a kubelet on Talos counts it. */
const CAPACITY = { cpu: '4', memory: `${7_996_520}Ki`, pods: '110', 'ephemeral-storage': `${59_000_000}Ki`, 'hugepages-2Mi': '0' };
const ALLOCATABLE = { ...CAPACITY, cpu: '3950m', memory: `${7_996_520 - 512 * KI}Ki`, 'ephemeral-storage': '54000000000' };

/** What changes with a boot of the board: shown in nodeInfo. */
export type BootIdentity = { readonly bootId: string; readonly machineId: string };

/**
 * The Node object as Talos's kubelet registers it: labels, the control plane's taint, no status. A kubelet may not give itself the
 * label node-role.kubernetes.io/control-plane: the control plane does.
 */
export function nodeObject(material: KubeletMaterial): object {
  const controlPlane = material.role === 'control plane';
  const labels = {
    'beta.kubernetes.io/arch': 'arm64',
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'arm64',
    'kubernetes.io/hostname': material.nodeName,
    'kubernetes.io/os': 'linux',
    ...(controlPlane ? { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } : {}),
    ...material.labels,
  };
  const taints = controlPlane && !material.schedulable ? [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] : [];
  const annotations = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: material.nodeName, labels, annotations }, spec: { taints } };
}

/** The labels alone, to be set again on a node that registered before. */
export function nodeLabels(material: KubeletMaterial): object {
  const { metadata } = nodeObject(material) as { metadata: { labels: Record<string, string> } };
  return { metadata: { labels: metadata.labels } };
}

/** The status a healthy kubelet posts; `now` and `since` are ISO times of this heartbeat and of becoming Ready. At `first` it has nothing mounted. */
export function nodeStatus(material: KubeletMaterial, identity: BootIdentity, now: string, since: string, first: boolean): object {
  const condition = (type: string, status: string, reason: string, message: string): object =>
    ({ type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime: since });
  return {
    status: {
      addresses: [{ type: 'InternalIP', address: material.address }, { type: 'Hostname', address: material.nodeName }],
      capacity: CAPACITY,
      allocatable: ALLOCATABLE,
      ...(first ? { volumesInUse: [] } : {}),
      conditions: [
        condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
        condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
        condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
      ],
      nodeInfo: {
        architecture: 'arm64', operatingSystem: 'linux', osImage: material.osImage ?? 'Talos (v1.11.0)', kernelVersion: '6.12.43-talos',
        containerRuntimeVersion: 'containerd://2.1.4', kubeletVersion: material.kubeletVersion, kubeProxyVersion: '',
        machineID: identity.machineId, systemUUID: '', bootID: identity.bootId,
      },
    },
  };
}
