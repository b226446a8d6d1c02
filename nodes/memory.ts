import type { ClusterNode, Role } from './cluster.ts';

/** The memory of a Raspberry Pi 4B with 8 GB, in bytes. */
export const BOARD_BYTES = 8 * 2 ** 30;

/**
 * What a node needs for itself, in bytes: the least that Talos asks for a machine of that role, 2 GiB for a control plane and
 * 1 GiB for a worker (docs.siderolabs.com, System Requirements). In it are the kubelet's reservation of 512 and 384 MiB
 * (siderolabs/talos:pkg/machinery/constants, KubeletSystemReservedMemory…), its eviction threshold of 100 MiB, the
 * graphics' share, and etcd and the API server, which have no limits.
 */
export function ownBytes(role: Role): number {
  return (role === 'control plane' ? 2 : 1) * 2 ** 30;
}

/** What a node's pods may take of its memory together, in bytes: as the inventory says, or what suits its role on 8 GiB. */
export function podBytes(node: Pick<ClusterNode, 'role' | 'memory'>): number {
  return node.memory ?? BOARD_BYTES - ownBytes(node.role);
}
