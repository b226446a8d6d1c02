import type { Step } from '../step.ts';
import type { Rebuild } from './rebuild-of.ts';
import { workerSteps } from './worker.ts';

/** One of several control planes: as a worker, with its etcd member taken out behind the fence and let in again. */
export function memberSteps(rebuild: Rebuild): Step[] {
  return workerSteps(rebuild);
}
