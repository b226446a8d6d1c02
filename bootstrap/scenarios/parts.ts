import { problem } from '../../lib/errors.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { Scenario } from './types.ts';

/** The part that a scenario breaks and the cluster does not have (`NAS`, `GitOps repository`, a node's name); undefined where it has all. */
export function missingPart(cluster: Cluster, { disaster, recovery }: Scenario): string | undefined {
  for (const blow of disaster) {
    if ('kill' in blow && !hasNode(cluster, blow.kill)) return blow.kill;
    if (!('lose' in blow)) continue;
    if (blow.lose === 'nas configuration' && !cluster.nas) return 'NAS';
    if ((blow.lose === 'git host' || blow.lose === 'cluster key') && !cluster.gitops) return 'GitOps repository';
  }
  return recovery.node === undefined || hasNode(cluster, recovery.node) ? undefined : recovery.node;
}

/** Throws `E_SCENARIO_PART` where the cluster lacks what the scenario breaks: it then says nothing about this cluster. */
export function requireParts(cluster: Cluster, scenario: Scenario): void {
  const missing = missingPart(cluster, scenario);
  if (missing === undefined) return;
  throw problem('E_SCENARIO_PART', `${cluster.name} has no ${missing}, which ${scenario.name} breaks`, `Rehearse another one. Its nodes are: ${cluster.nodes.map(({ name }) => name).join(', ')}.`, { where: { file: scenario.file } });
}

function hasNode({ nodes }: Cluster, choice: string): boolean {
  return choice === 'all nodes' || nodes.some(({ name, role }) => name === choice || (choice === 'worker with volumes' ? 'worker' : choice) === role);
}
