import type { Cluster } from './cluster.ts';

/** Talos's first minor release (1.x) that can keep workloads apart, and does so in new clusters. */
const FIRST_MINOR = 14;

/** Whether this Talos version (`1.14.1`) knows `workloadIsolation` (siderolabs/talos:pkg/machinery/config/types/runtime/security_profile_config.go). */
export function knowsIsolation(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > 1 || (major === 1 && minor >= FIRST_MINOR);
}

/**
 * Whether kubelet and pods are kept apart from the machine's own services: Kubernetes' own iSCSI volumes then can't be mounted, for
 * the kubelet does not reach iscsid; CSI drivers do it in a pod of their own. See docs/decisions/0008.
 */
export function workloadsIsolated(cluster: { readonly talos: Pick<Cluster['talos'], 'version' | 'workloadIsolation'> }): boolean {
  return knowsIsolation(cluster.talos.version) && (cluster.talos.workloadIsolation ?? true);
}
