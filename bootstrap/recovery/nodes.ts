import { getObjects } from '../../gitops/kubectl.ts';
import { observeStale, removeStale } from '../../gitops/stale.ts';
import type { Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { restartKubelet } from '../../talos/talosctl-recover.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/** A node's kubelet makes its Node object when it starts, and only then: where etcd came back without it, it is started anew. Nothing is done to a node that has one. */
export function rejoinStep(facts: Facts, node: ClusterNode, needs: readonly string[]): Step {
  let restarted = false;
  return {
    id: `rejoin:${node.name}`, part: 'Recovery', title: `${node.name} is known to Kubernetes`, node: node.name, needs,
    async observe(host) {
      const known = (await getObjects(host, facts.kubeconfig, [`node/${node.name}`])).length > 0;
      if (known) return { state: 'done', detail: restarted ? 'its kubelet was started anew' : 'it is' };
      return restarted ? { state: 'done', detail: 'its kubelet was started anew' } : { state: 'needed', why: 'Kubernetes has no such Node any more' };
    },
    async act(host) {
      await restartKubelet(host, await facts.access(host, node));
      restarted = true;
    },
  };
}

/** What the old state brought back of machines that are no more is gone: their Nodes, VolumeAttachments, Pods, Leases. Each deletion is told. */
export function staleStep(facts: Facts, needs: readonly string[]): Step {
  const declared = facts.cluster.nodes.map((node) => node.name);
  const look = (host: Host) => observeStale(host, facts.kubeconfig, declared, host.clock.now());
  return {
    id: 'stale', part: 'Recovery', title: 'No ghosts', needs,
    async observe(host) {
      const { stale, strangers } = await look(host);
      if (stale.length > 0) return { state: 'needed', why: stale.map(({ kind, name, why }) => `${kind} ${name}: ${why}`).join('; ') };
      return { state: 'done', detail: strangers.length === 0 ? 'nothing of machines that are no more' : `not declared, but alive, so left alone: ${strangers.join(', ')}` };
    },
    act: async (host) => removeStale(host, facts.kubeconfig, (await look(host)).stale),
  };
}
