import type { ClusterMember, Discovery } from './types.ts';

/** A discovery service for the boards of one world: who announced itself, by cluster. */
export function createDiscovery(): Discovery {
  const clusters = new Map<string, Map<string, ClusterMember>>();
  const followers = new Set<() => void>();
  const tell = (): void => {
    for (const hear of [...followers]) hear();
  };
  return {
    announce: (cluster, member) => {
      const members = clusters.get(cluster) ?? new Map<string, ClusterMember>();
      clusters.set(cluster, members);
      if (JSON.stringify(members.get(member.nodeId)) === JSON.stringify(member)) return;
      // A machine made anew takes its name over from the one that was; Talos lets the old one expire.
      for (const [id, other] of members) if (other.hostname === member.hostname) members.delete(id);
      members.set(member.nodeId, member);
      tell();
    },
    withdraw: (cluster, nodeId) => {
      if (clusters.get(cluster)?.delete(nodeId)) tell();
    },
    members: (cluster) => [...clusters.get(cluster)?.values() ?? []].sort((a, b) => (a.hostname < b.hostname ? -1 : 1)),
    follow: (hear) => {
      followers.add(hear);
      return () => void followers.delete(hear);
    },
  };
}
