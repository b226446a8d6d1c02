import type { RebuildRecord } from '../../lib/lock-file.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import { recoverOnly } from '../recovery/only.ts';
import { REAL_PATIENCE, type Patience } from '../up.ts';
import { memberSteps } from './member.ts';
import { onlySteps } from './only.ts';
import { rebuildOf } from './rebuild-of.ts';
import { workerSteps } from './worker.ts';

/**
 * Which steps rebuild a node, in which order: a pure function of inventory and record. What is of the old board is taken from it only
 * behind the fence, and the new board gets nothing before the old one has nothing left. Throws `E_REBUILD_NODE`.
 */
export function rebuildSteps(facts: Facts, record: RebuildRecord, patience: Patience = REAL_PATIENCE): Step[] {
  const rebuild = rebuildOf(facts, record, patience);
  switch (record.way) {
    case 'worker': return workerSteps(rebuild);
    case 'member': return memberSteps(rebuild);
    case 'only': return onlySteps(rebuild, recoverOnly);
  }
}
