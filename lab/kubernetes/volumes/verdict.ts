import { problem } from '../../../lib/errors.ts';
import { findingText } from './canary.ts';
import type { Mount } from './node-volumes.ts';

/** One mount in a line for people: which claim, where, as whom, and what was on the LUN. */
export function mountText({ claim, node, iqn, lun, finding }: Mount): string {
  return `${claim} mounted on ${node} from ${iqn}, LUN ${lun}: ${findingText(finding)}`;
}

/** Throws `E_REHEARSAL_CANARY` where a board found something else on a LUN than the data of the claim it mounted it for. */
export function refuseStrangers(mounts: readonly Mount[]): void {
  const wrong = mounts.filter(({ finding }) => finding.kind === 'foreign' || finding.kind === 'data');
  if (wrong.length === 0) return;
  throw problem('E_REHEARSAL_CANARY', wrong.map(mountText).join('; '),
    'The application would see data that is not its own. Compare the IQN and LUN of the PersistentVolume with SAN Manager, and the claims in cluster.yaml.');
}
