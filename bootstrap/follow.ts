import type { Facts } from './facts.ts';
import type { Step } from './step.ts';
import { createRepositoryRoom, reconciledStep } from './steps/gitops.ts';
import { kubeconfigStep } from './steps/kubernetes.ts';

/** The steps that wait until the cluster's Flux has applied what was just pushed. `deadlineMs`: how long its API server may take to answer. */
export function followSteps(facts: Facts, deadlineMs: number): Step[] {
  return [{ ...kubeconfigStep(facts, deadlineMs), needs: [] }, { ...reconciledStep(facts, createRepositoryRoom(facts)), needs: ['kubeconfig'] }];
}
