import type { ClusterNode } from '../../nodes/cluster.ts';
import { podBytes } from '../../nodes/memory.ts';
import type { Workload } from './workloads.ts';

/** What a node's pods would take at most, in bytes, of what they may. */
export type Load = { readonly node: string; readonly taken: number; readonly budget: number };

/** Loads of all nodes, and the workloads that find no node with room for all their pods. */
export type Fit = { readonly loads: readonly Load[]; readonly homeless: readonly Workload[] };

/**
 * Spreads the pods over the nodes by their limits: one of each DaemonSet on every node it may run on, then those of `first`,
 * then the largest workloads first, each pod to the node with the fewest of its kind and the most room. What finds no room this way would have
 * to share memory that is promised twice; what no node is meant for is not judged. Pods run on control planes where they tolerate it, or where there are no workers. Pure.
 */
export function fitPods(nodes: readonly ClusterNode[], workloads: readonly Workload[], first: readonly Workload[] = []): Fit {
  const rooms = nodes.map((node) => ({ node, budget: podBytes(node), taken: 0 }));
  const workers = nodes.some((node) => node.role === 'worker');
  const homeless: Workload[] = [];
  const able = (workload: Workload): typeof rooms => rooms.filter(({ node }) => (node.role === 'worker' || !workers || workload.toleratesControlPlane)
    && Object.entries(workload.nodeSelector).every(([key, value]) => labelOf(node, key) === value));
  for (const workload of workloads.filter(({ pods }) => pods === 'each')) {
    const homes = able(workload);
    for (const room of homes) room.taken += workload.bytes;
    if (homes.some((room) => room.taken > room.budget)) homeless.push(workload);
  }
  for (const workload of [...first, ...[...workloads].sort((a, b) => b.bytes - a.bytes)]) {
    if (workload.pods === 'each') continue;
    const homes = able(workload).map((room) => ({ room, here: 0 }));
    if (homes.length === 0) continue;
    let placed = 0;
    for (; placed < workload.pods; placed += 1) {
      const [best] = homes.filter(({ room }) => room.taken + workload.bytes <= room.budget)
        .sort((a, b) => a.here - b.here || (b.room.budget - b.room.taken) - (a.room.budget - a.room.taken));
      if (!best) break;
      best.here += 1;
      best.room.taken += workload.bytes;
    }
    if (placed < workload.pods && workload.bytes > 0) homeless.push(workload);
  }
  return { loads: rooms.map(({ node, taken, budget }) => ({ node: node.name, taken, budget })), homeless };
}

/** The workers without which the pods' limits no longer fit on the others. Pure. */
export function indispensable(nodes: readonly ClusterNode[], workloads: readonly Workload[], first: readonly Workload[] = []): readonly string[] {
  const workers = nodes.filter((node) => node.role === 'worker');
  if (workers.length < 2) return [];
  return workers.filter((lost) => fitPods(nodes.filter((node) => node !== lost), workloads.filter((workload) => workload.nodeSelector['kubernetes.io/hostname'] !== lost.name), first).homeless.length > 0)
    .map((node) => node.name);
}

/** A label as the node will have it: its own, or one that every kubelet sets. */
function labelOf(node: ClusterNode, key: string): string | undefined {
  const built: Readonly<Record<string, string>> = { 'kubernetes.io/hostname': node.name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64' };
  return node.labels[key] ?? built[key] ?? (key === 'node-role.kubernetes.io/control-plane' && node.role === 'control plane' ? '' : undefined);
}
