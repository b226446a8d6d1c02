import type { Step } from '../step.ts';
import { etcdStep } from '../steps/etcd.ts';
import { fenceStep } from '../steps/fence.ts';
import { readyStep } from '../steps/kubernetes.ts';
import { drainStep, evictStep } from './evict.ts';
import { labelsStep } from './node-back.ts';
import { apiStep, boardSteps, letGoSteps, notForTheOld, preparation, storageSteps, volumeSteps } from './parts.ts';
import { agreementStep, quorumStep, removalStep } from './quorum.ts';
import { endStep } from './record.ts';
import type { Rebuild } from './rebuild-of.ts';

/**
 * One of several control planes: as a worker, and its etcd member is taken out behind the fence and let in again. Whether the others stand
 * is asked before each act: before the power is cut, before the member is removed, and after the new one has joined.
 */
export function memberSteps(rebuild: Rebuild): Step[] {
  const { facts, node, patience } = rebuild;
  const prepared = preparation(rebuild);
  const steps: Step[] = [...prepared, apiStep(rebuild, prepared.map((step) => step.id))];
  const then = (...more: readonly Step[]): void => void steps.push(...more);
  const last = (): readonly string[] => [steps.at(-1)!.id];
  then(quorumStep(rebuild, last()));
  then(drainStep(rebuild, last()));
  then(fenceStep(facts, node, { needs: last() }));
  then(...letGoSteps(rebuild, last()));
  then(removalStep(rebuild, last()));
  then(evictStep(rebuild, last()));
  then(...boardSteps(rebuild, last()));
  then(notForTheOld(rebuild, { ...etcdStep(facts, last(), patience.joinMs), part: 'Rejoin', title: `${node.name} votes in etcd` }));
  then(agreementStep(rebuild, last()));
  then(notForTheOld(rebuild, { ...readyStep(facts, node, patience.joinMs), part: 'Rejoin', needs: last() }));
  then(labelsStep(rebuild, last()));
  then(...storageSteps(rebuild, last()));
  then(...volumeSteps(rebuild, last()));
  then(notForTheOld(rebuild, endStep(rebuild, last())));
  return steps;
}
