import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Host } from '../../lib/host.ts';
import type { RecoverySource } from '../../lib/lock-file.ts';
import type { Facts } from '../facts.ts';
import { recoverEtcdStep } from '../recovery/etcd.ts';
import { resumeFluxStep, suspendFluxStep } from '../recovery/flux.ts';
import { keepSource } from '../recovery/keep.ts';
import { rejoinStep, staleStep } from '../recovery/nodes.ts';
import { prepareSnapshot } from '../recovery/prepare.ts';
import type { Step } from '../step.ts';
import { upSteps, type Patience } from '../up.ts';

/** Keeps a backup's snapshot as the source of an etcd to come. Throws what proving it throws (`E_SNAPSHOT_…`). */
export async function keepGiven(host: Host, facts: Facts, snapshot: string): Promise<RecoverySource> {
  const bundle = await facts.bundle(host);
  const out = join(host.scratch, `given-${randomBytes(4).toString('hex')}.snapshot`);
  await prepareSnapshot(host, facts.cluster, bundle, snapshot, 'snapshot', out);
  return keepSource(facts.cluster, 'given', bundle, out, 'snapshot');
}

/**
 * The steps that bring blank boards into the state of a backup: those of `up`, with etcd from its snapshot, Flux held until every
 * kubelet was heard and ghosts are gone. `since` (milliseconds since 1970): what was heard before is of the old boards.
 */
export function givenSteps(facts: Facts, source: RecoverySource, since: number, patience: Patience): Step[] {
  const { nodes, gitops, nas } = facts.cluster;
  const id = new Date(since).toISOString();
  const held = gitops ? ['suspend-flux'] : ['kubeconfig'];
  const ready = nodes.map((node) => `ready:${node.name}`);
  const settled = nas ? 'storage-proof' : 'stale';
  const steps = upSteps(facts, patience).map((step): Step => {
    if (step.id === 'etcd') return recoverEtcdStep(facts, source, step.needs, patience.joinMs);
    if (step.node !== undefined && step.id === `ready:${step.node}`) return { ...step, needs: [...step.needs, `rejoin:${step.node}`] };
    if (step.id === 'storage') return { ...step, needs: [...step.needs, 'stale'] };
    return gitops && (step.part === 'GitOps' || step.part === 'Volumes') ? { ...step, needs: [...step.needs, 'resume-flux'] } : step;
  });
  return [
    ...steps,
    ...(gitops ? [suspendFluxStep(facts, id, ['kubeconfig']), resumeFluxStep(facts, id, [settled])] : []),
    ...nodes.map((node) => rejoinStep(facts, node, since, [...held, `config:${node.name}`], patience.joinMs)),
    staleStep(facts, ready),
  ];
}
