import { comebackSteps } from '../recovery/only.ts';
import { lossesStep } from '../recovery/lost.ts';
import { problem } from '../../lib/errors.ts';
import { preparation } from '../rebuild/parts.ts';
import { volumesBackStep } from '../rebuild/volumes.ts';
import type { Step } from '../step.ts';
import { initiatorStep } from '../steps/initiators.ts';
import { kubeconfigStep } from '../steps/kubernetes.ts';
import { storageProofStep, storageStep } from '../steps/storage.ts';
import { vaultStep } from '../steps/vault.ts';
import { gitopsSteps, memorySteps } from '../up.ts';
import { fenceSteps, guarded, nodeSteps, type Stretch } from './boards.ts';
import { gitBackStep } from './git.ts';
import { lunsStep } from './look-nas.ts';
import { restoredStep } from './record.ts';
import { resetStep } from './reset.ts';
import type { Restore } from './restore-of.ts';

/**
 * Which steps restore what the record says is lost, in which order: a pure function of inventory and record. What is at hand first; then the
 * boards and etcd behind the fence; then as in `up`: storage, GitOps, claims, each of which only looks where nothing was lost. Throws `E_RESTORE_SOURCE`.
 */
export function restoreSteps(restore: Restore): Step[] {
  const { facts, record, patience, archive } = restore;
  const { gitops, nas, vault, nodes } = facts.cluster;
  const first = nodes.find((node) => node.role === 'control plane')!;
  const steps: Step[] = [...preparation(restore)];
  const add = ({ steps: more, last }: Stretch): readonly string[] => { steps.push(...more); return last; };
  let settled: readonly string[] = steps.map((step) => step.id);
  if (record.parts.includes('git')) settled = [...settled, ...add(one([gitBackStep(restore, settled)]))];
  settled = add(record.parts.includes('etcd') ? etcdStretch(restore, settled) : answering(restore, settled));
  if (nas) {
    const initiators = nodes.map((node) => initiatorStep(facts, node, settled, patience.joinMs));
    steps.push(...initiators, lunsStep(facts, nas, archive, initiators.map((step) => step.id)), storageStep(facts, nas, ['luns']), storageProofStep(facts, nas));
    settled = ['storage-proof'];
  }
  if (gitops) {
    // A git host that is silent holds up what is of git, not etcd.
    const memory = memorySteps(facts).map((step) => ({ ...step, needs: [...step.needs, ...settled] }));
    settled = add(one([...(vault ? [vaultStep(facts, vault)] : []), ...memory, ...gitopsSteps(facts, settled, 'bootstrap')]));
  }
  if (nas) settled = add(one([volumesBackStep({ facts, patience, node: first }, settled)]));
  if (record.parts.includes('etcd')) settled = add(one([lossesStep(facts, first, settled)]));
  return [...guarded(restore, steps), restoredStep(facts, record, settled)];
}

function one(steps: readonly Step[]): Stretch {
  return { steps, last: steps.map((step) => step.id) };
}

/** Fence, boards, configs, the old etcd wiped where some is left, and the comeback. */
function etcdStretch(restore: Restore, needs: readonly string[]): Stretch {
  const { facts, record, patience, boards } = restore;
  if (record.recover === undefined) {
    throw problem('E_RESTORE_SOURCE', 'the lock file does not say where etcd comes from', `Give it up, and begin again: firstlight restore ${facts.cluster.name} --give-up`, { where: { file: facts.lockFile } });
  }
  const controlPlanes = facts.cluster.nodes.filter((node) => node.role === 'control plane');
  const fences = fenceSteps(restore, needs);
  const configured = nodeSteps(restore, fences.last);
  const resets = controlPlanes.filter((node) => record.reset?.includes(node.name)).map((node) => resetStep(restore, node, [`config:${node.name}`]));
  const ready = [...fences.last, ...controlPlanes.map((node) => `config:${node.name}`), ...resets.map((step) => step.id)];
  const back = comebackSteps({ facts, patience, source: record.recover, since: record.since, id: `restore-${record.since}`, fresh: new Set(boards.keys()) }, ready);
  return { steps: [...fences.steps, ...configured.steps, ...resets, ...back], last: [back.at(-1)!.id] };
}

/** etcd lives: nothing is done to nodes or to Kubernetes before it is known to answer. */
function answering({ facts, patience }: Restore, needs: readonly string[]): Stretch {
  return one([{ ...kubeconfigStep(facts, patience.joinMs), needs }]);
}
