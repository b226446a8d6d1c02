import type { Host } from '../../lib/host.ts';
import type { Repository } from '../../gitops/repository.ts';
import type { Gitops } from '../../nodes/cluster.ts';
import type { Facts } from '../facts.ts';
import { requireMemory } from '../memory.ts';
import type { Step } from '../step.ts';

/**
 * Whether the pods that Flux is about to make fit the nodes' memory by their limits, volumes in memory included. A look at the
 * repository before anything is written anywhere, so there is nothing to act on.
 */
export function memoryStep(facts: Facts, gitops: Gitops, room: (host: Host) => Promise<Repository>): Step {
  return {
    id: 'memory',
    part: 'Memory',
    title: 'Memory for what the repository runs',
    needs: ['credentials'],
    observe: async (host) => ({ state: 'done', detail: await requireMemory(host, facts.cluster, gitops, (await room(host)).folder) }),
    act: async () => {},
  };
}
