import type { Cluster } from '../../nodes/cluster.ts';
import { workloadsIsolated } from '../../nodes/isolation.ts';
import { parseVersion } from '../versions.ts';

/**
 * The kubelet's image where the cluster has PersistentVolumes of Kubernetes' own iSCSI plugin, undefined elsewhere: that plugin
 * runs iscsiadm and mkfs beside the kubelet, and since Talos 1.8 only the image with `-fat` has them (siderolabs/kubelet:Dockerfile,
 * files/iscsiadm; siderolabs/extensions issue 490: "executable file not found in $PATH" with the other).
 */
export function iscsiKubeletImage(cluster: Cluster): string | undefined {
  const claimed = cluster.nas?.luns.some((lun) => lun.claim !== undefined) === true;
  return claimed && !workloadsIsolated(cluster) ? `ghcr.io/siderolabs/kubelet:${parseVersion(cluster.kubernetes.version).text}-fat` : undefined;
}
