import type { Step } from '../step.ts';
import { fenceStep } from '../steps/fence.ts';
import { readyStep } from '../steps/kubernetes.ts';
import { evictStep, drainStep } from './evict.ts';
import { labelsStep } from './node-back.ts';
import { apiStep, boardSteps, letGoSteps, notForTheOld, preparation, storageSteps, volumeSteps } from './parts.ts';
import { endStep } from './record.ts';
import type { Rebuild } from './rebuild-of.ts';

/**
 * A worker: drained where it answers, fenced, let go of by NAS and Kubernetes; then card, board, config, Ready, what hung on its Node,
 * its initiator, the volumes. Each step waits for the one before: nothing of the old board is given away while it might still run.
 */
export function workerSteps(rebuild: Rebuild): Step[] {
  const { facts, node, patience } = rebuild;
  const prepared = preparation(rebuild);
  const steps: Step[] = [...prepared, apiStep(rebuild, prepared.map((step) => step.id))];
  const then = (...more: readonly Step[]): void => void steps.push(...more);
  const last = (): readonly string[] => [steps.at(-1)!.id];
  then(drainStep(rebuild, last()));
  then(fenceStep(facts, node, { needs: last() }));
  then(...letGoSteps(rebuild, last()));
  then(evictStep(rebuild, last()));
  then(...boardSteps(rebuild, last()));
  then(notForTheOld(rebuild, { ...readyStep(facts, node, patience.joinMs), part: 'Rejoin', needs: last() }));
  then(labelsStep(rebuild, last()));
  then(...storageSteps(rebuild, last()));
  then(...volumeSteps(rebuild, last()));
  then(notForTheOld(rebuild, endStep(rebuild, last())));
  return steps;
}
