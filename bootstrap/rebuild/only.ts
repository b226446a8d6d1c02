import { lossesStep } from '../recovery/lost.ts';
import type { Step } from '../step.ts';
import { fenceStep } from '../steps/fence.ts';
import { vaultStep } from '../steps/vault.ts';
import { gitopsSteps, memorySteps } from '../up.ts';
import { boardSteps, letGoSteps, notForTheOld, preparation, storageSteps } from './parts.ts';
import { endStep } from './record.ts';
import type { Rebuild } from './rebuild-of.ts';
import { volumesBackStep } from './volumes.ts';

/**
 * What brings etcd and Kubernetes back on the new board of the only control plane, from its config (`needs`) to Flux resumed. What
 * comes then is as in `up`: storage, GitOps, claims. Its last step is what those wait for.
 */
export type Recovery = (rebuild: Rebuild, needs: readonly string[]) => readonly Step[];

/** The only control plane: nobody can be asked to let go of it, so the fence comes first; then card, board, config, and the recovery. */
export function onlySteps(rebuild: Rebuild, recovery: Recovery): Step[] {
  const { facts, node } = rebuild;
  const { gitops, nas, vault } = facts.cluster;
  const prepared = preparation(rebuild);
  const steps: Step[] = [...prepared, fenceStep(facts, node, { needs: prepared.map((step) => step.id) })];
  const then = (...more: readonly Step[]): void => void steps.push(...more);
  const last = (): readonly string[] => [steps.at(-1)!.id];
  then(...letGoSteps(rebuild, last()));
  then(...boardSteps(rebuild, last()));
  then(...recovery(rebuild, last()));
  then(...storageSteps(rebuild, last()));
  const settled = last();
  if (gitops) then(...(vault ? [vaultStep(facts, vault)] : []), ...memorySteps(facts), ...gitopsSteps(facts, settled, 'bootstrap'));
  if (nas) then(volumesBackStep(rebuild, last()));
  then(lossesStep(facts, node, last()));
  then(notForTheOld(rebuild, endStep(rebuild, last())));
  return steps;
}
