import type { Host } from '../../lib/host.ts';
import type { Repository } from '../../gitops/repository.ts';
import { isolationReport } from '../isolation.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/** Whether pods can mount the iSCSI volumes of the repository where Talos isolates workloads: a look that warns, so there is nothing to act on. */
export function isolationStep(facts: Facts, room: (host: Host) => Promise<Repository>): Step {
  return {
    id: 'isolation',
    part: 'GitOps',
    title: 'iSCSI volumes under Talos’s isolation of workloads',
    needs: ['credentials'],
    observe: async (host) => ({ state: 'done', detail: await isolationReport(host, facts.cluster, (await room(host)).folder) }),
    act: async () => {},
  };
}
