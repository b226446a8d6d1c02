import { problem } from '../../lib/errors.ts';
import type { LabNas } from './types.ts';

/**
 * Throws `E_REHEARSAL_CORRUPTION` where two machines wrote one LUN in sessions open at the same time: on a real disk its
 * data would be gone, whatever else went well.
 */
export function refuseCorruption(nas: Pick<LabNas, 'corruptions'>): void {
  const seen = nas.corruptions();
  if (seen.length === 0) return;
  throw problem('E_REHEARSAL_CORRUPTION', seen.map(({ lun, initiators }) => `${initiators.join(' and ')} wrote LUN ${lun} at the same time`).join('; '),
    'A file system on that LUN would be destroyed. See which workloads used it (the journal names them), and why the first was not stopped before the second began.');
}
