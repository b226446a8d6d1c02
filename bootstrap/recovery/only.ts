import { problem } from '../../lib/errors.ts';
import type { RecoverySource } from '../../lib/lock-file.ts';
import type { Facts } from '../facts.ts';
import type { Recovery } from '../rebuild/only.ts';
import { notForTheOld } from '../rebuild/parts.ts';
import type { Step } from '../step.ts';
import type { Patience } from '../up.ts';
import { kubeconfigStep, readyStep } from '../steps/kubernetes.ts';
import { recoverEtcdStep } from './etcd.ts';
import { resumeFluxStep, suspendFluxStep } from './flux.ts';
import { rejoinStep, staleStep, unlessAway } from './nodes.ts';
import { oneWriterStep, writersSettledStep } from './writers.ts';

/** An etcd that comes back: from where, begun when (ISO 8601), `id` for telling this recovery from another, and the nodes whose boards run new cards. */
export type Comeback = { readonly facts: Facts; readonly patience: Patience; readonly source: RecoverySource; readonly since: string; readonly id: string; readonly fresh: ReadonlySet<string> };

/**
 * What brings etcd and Kubernetes back on control planes that have their configs (`needs`): each LUN for one writer, etcd from where it was
 * decided, the API server, Flux held, every node that lives Ready (its kubelet started anew where it is not known), ghosts gone, LUNs let go of, Flux
 * let go on. Last: `resume-flux`; without a Flux of before `writers-settled`, without a NAS `stale`.
 */
export function comebackSteps({ facts, patience, source, since, id, fresh }: Comeback, needs: readonly string[]): Step[] {
  const { nodes, gitops, nas } = facts.cluster;
  const writers = nas ? [oneWriterStep(facts, nas, needs)] : [];
  const steps: Step[] = [...writers, recoverEtcdStep(facts, source, [...needs, ...writers.map((step) => step.id)], patience.joinMs), kubeconfigStep(facts, patience.joinMs)];
  // An etcd that begins empty has no Flux of before.
  const flux = gitops !== undefined && source.from !== 'nothing';
  if (flux) steps.push(suspendFluxStep(facts, id, ['kubeconfig']));
  const held = [steps.at(-1)!.id];
  const away = new Set<string>();
  for (const node of nodes) {
    // The kubelet of a new board has just begun, and registers by itself.
    const rejoined = fresh.has(node.name) ? [] : [rejoinStep(facts, node, Date.parse(since), held, patience.joinMs, away)];
    steps.push(...rejoined, { ...unlessAway(readyStep(facts, node, patience.joinMs), facts, node, away), needs: rejoined.length > 0 ? rejoined.map((step) => step.id) : [...held, `config:${node.name}`] });
  }
  steps.push(staleStep(facts, nodes.map((node) => `ready:${node.name}`)));
  if (nas) steps.push(writersSettledStep(facts, nas, ['stale'], away));
  if (flux) steps.push(resumeFluxStep(facts, id, [steps.at(-1)!.id]));
  return steps;
}

/** The same on the new board of the only control plane. Throws `E_REBUILD_SOURCE` where the record does not say where etcd comes from. */
export const recoverOnly: Recovery = (rebuild, needs) => {
  const { facts, patience, record } = rebuild;
  if (record.recover === undefined) {
    throw problem('E_REBUILD_SOURCE', 'the lock file does not say where the etcd of the only control plane comes from', `Give it up and begin again: firstlight rebuild ${facts.cluster.name} ${record.node} --give-up`, { where: { file: facts.lockFile } });
  }
  return comebackSteps({ facts, patience, source: record.recover, since: record.since, id: record.nonce, fresh: new Set([rebuild.node.name]) }, needs).map((step) => notForTheOld(rebuild, step));
};
