import { problem } from '../../lib/errors.ts';
import type { Recovery } from '../rebuild/only.ts';
import { notForTheOld } from '../rebuild/parts.ts';
import type { Step } from '../step.ts';
import { kubeconfigStep, readyStep } from '../steps/kubernetes.ts';
import { recoverEtcdStep } from './etcd.ts';
import { resumeFluxStep, suspendFluxStep } from './flux.ts';
import { rejoinStep, staleStep } from './nodes.ts';
import { oneWriterStep, writersSettledStep } from './writers.ts';

/**
 * What brings etcd and Kubernetes back on the new board of the only control plane: each LUN for one writer, etcd from where the record
 * says, the API server, Flux held, every node Ready (its kubelet started anew where it is not known), ghosts gone, LUNs let go of, Flux
 * let go on. Last: `resume-flux`; without GitOps `writers-settled`, without a NAS `stale`. Throws `E_REBUILD_SOURCE` where the record does not say where etcd comes from.
 */
export const recoverOnly: Recovery = (rebuild, needs) => {
  const { facts, patience, record } = rebuild;
  const { nodes, gitops, nas } = facts.cluster;
  if (record.recover === undefined) {
    throw problem('E_REBUILD_SOURCE', 'the lock file does not say where the etcd of the only control plane comes from', 'Take the entry rebuild out of firstlight.lock.yaml and begin again.', { where: { file: facts.lockFile } });
  }
  const writers = nas ? [oneWriterStep(facts, nas, needs)] : [];
  const steps: Step[] = [...writers, recoverEtcdStep(facts, record.recover, [...needs, ...writers.map((step) => step.id)], patience.joinMs), kubeconfigStep(facts, patience.joinMs)];
  if (gitops) steps.push(suspendFluxStep(facts, record.nonce, ['kubeconfig']));
  const held = [steps.at(-1)!.id];
  for (const node of nodes) {
    // The kubelet of the new board has just begun, and registers by itself.
    const rejoined = node.name === rebuild.node.name ? [] : [rejoinStep(facts, node, Date.parse(record.since), held, patience.joinMs)];
    steps.push(...rejoined, { ...readyStep(facts, node, patience.joinMs), needs: rejoined.length > 0 ? rejoined.map((step) => step.id) : held });
  }
  steps.push(staleStep(facts, nodes.map((node) => `ready:${node.name}`)));
  if (nas) steps.push(writersSettledStep(facts, nas, ['stale']));
  if (gitops) steps.push(resumeFluxStep(facts, record.nonce, [steps.at(-1)!.id]));
  return steps.map((step) => notForTheOld(rebuild, step));
};
