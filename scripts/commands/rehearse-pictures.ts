import type { ClusterPicture, NodeState, PictureService } from '../../bootstrap/report/types.ts';
import type { SeenState } from '../../bootstrap/scenarios/state.ts';
import type { World } from '../../lab/world/world.ts';
import type { Cluster } from '../../nodes/cluster.ts';

/** How the parts around the nodes stand, where they are not well. */
export type Damaged = Readonly<Partial<Record<PictureService['kind'], { readonly state: 'damaged' | 'gone'; readonly note: string }>>>;

/** The cluster as it stands: nodes by Kubernetes' word where it answers, else by their boards; volumes by the NAS's sessions. `killed` are the nodes that a disaster struck and nothing has come in the place of. */
export function pictureOf(world: World, cluster: Cluster, caption: string, seen: SeenState | undefined, killed: readonly string[], damaged: Damaged = {}): ClusterPicture {
  const sessions = world.nas?.sessions() ?? [];
  const nodes = cluster.nodes.map((node) => {
    const volumes = [...new Set(sessions.filter(({ address }) => address === node.address).flatMap(({ luns }) => luns))];
    const board = world.places.find((place) => place.node === node.name)?.board.state() ?? 'off';
    const state: NodeState = killed.includes(node.name) || board === 'off' || board === 'dead' ? 'down' : seen?.nodes.some(({ name, ready }) => name === node.name && ready) ? 'ready' : 'not ready';
    return { name: node.name, role: node.role, address: node.address, state, note: killed.includes(node.name) ? 'struck' : '', volumes };
  });
  const service = (kind: PictureService['kind'], name: string, parts: readonly string[]): PictureService => ({ kind, name, parts, state: damaged[kind]?.state ?? 'well', note: damaged[kind]?.note ?? '' });
  return {
    caption, nodes,
    services: [
      ...(cluster.power ? [service('switch', `${cluster.power.driver} ${cluster.power.address}`, [])] : []),
      ...(cluster.nas ? [service('nas', `NAS ${cluster.nas.address}`, (world.nas?.luns() ?? []).map(({ name, mapped }) => `${name}${mapped ? '' : ' (no target)'}`))] : []),
      ...(cluster.gitops ? [service('git', new URL(cluster.gitops.url).host, [cluster.gitops.branch])] : []),
      ...(cluster.vault ? [service('vault', new URL(cluster.vault.url).host, [])] : []),
    ],
  };
}
