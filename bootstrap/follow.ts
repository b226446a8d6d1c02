import { FirstlightError, problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Facts } from './facts.ts';
import type { Step } from './step.ts';
import { createRepositoryRoom, reconciledStep } from './steps/gitops.ts';
import { kubeconfigStep } from './steps/kubernetes.ts';

/** The steps that wait until the cluster's Flux has applied what was just pushed. `deadlineMs`: how long its API server may take to answer. */
export function followSteps(facts: Facts, deadlineMs: number): Step[] {
  const answers = answeringStep(facts, deadlineMs, 'What was pushed is at the git host: its Flux applies it when the cluster is up again. `firstlight status` says what answers.');
  return [answers, { ...reconciledStep(facts, createRepositoryRoom(facts)), needs: ['kubeconfig'] }];
}

/** The cluster's API server answers; where it does not, that is told as such (`E_CLUSTER_SILENT`), with `hint` for what to do. `deadlineMs` as above. */
export function answeringStep(facts: Facts, deadlineMs: number, hint: string): Step {
  const step = kubeconfigStep(facts, deadlineMs);
  const told = <T>(look: (host: Host) => Promise<T>) => async (host: Host): Promise<T> => look(host).catch((error: unknown) => {
    if (!(error instanceof FirstlightError) || !['E_PROGRAM', 'E_TIMEOUT', 'E_DEADLINE'].includes(error.code)) throw error;
    throw problem('E_CLUSTER_SILENT', `cluster ${facts.cluster.name} does not answer`, hint, { cause: error });
  });
  return { ...step, needs: [], observe: told(step.observe), act: told(step.act) };
}
