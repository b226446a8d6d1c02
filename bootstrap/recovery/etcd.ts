import { rm } from 'node:fs/promises';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { RecoverySource } from '../../lib/lock-file.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { identify } from '../../talos/identity.ts';
import { bootstrapEtcd } from '../../talos/talosctl-etcd.ts';
import { recoverEtcd } from '../../talos/talosctl-recover.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import { etcdStep } from '../steps/etcd.ts';
import { openSource } from './keep.ts';

/**
 * The step `etcd` where a lost etcd is made anew from what was decided and recorded: `up`'s own, with its look at every control plane and
 * its intent on disk, but the call carries the kept snapshot, and a machine that runs an older card than the known one stops it.
 */
export function recoverEtcdStep(facts: Facts, source: RecoverySource, needs: readonly string[], deadlineMs: number): Step {
  const nothing = source.from === 'nothing';
  return etcdStep(facts, needs, deadlineMs, {
    title: nothing ? 'etcd, anew and empty' : 'etcd from the snapshot',
    danger: nothing ? 'Kubernetes begins empty.' : 'Kubernetes goes back to what the snapshot holds.',
    async begin(host, access) {
      if (nothing) return bootstrapEtcd(host, access);
      const file = await openSource(host, await facts.bundle(host), source);
      await recoverEtcd(host, access, file).finally(() => rm(file, { force: true }));
    },
    prove: (host, node) => refuseOldCard(host, facts, node),
  });
}

/** Throws `E_IDENTITY_OLD_CARD` where the machine at a node's address runs another card than the known one, or one without a stamp (a board from before). Silence says nothing, and where no card is known nothing does. */
export async function refuseOldCard(host: Host, facts: Facts, node: ClusterNode): Promise<void> {
  const nonce = facts.nonces.get(node.name);
  if (nonce === undefined) return;
  const identity = await identify(host, facts.cluster, node.address, await facts.talosconfig(host));
  if (identity.kind !== 'configured' || identity.stamp?.nonce === nonce) return;
  throw problem('E_IDENTITY_OLD_CARD', `the machine at ${node.address} runs an older card of ${node.name} than the one that was written for it`,
    'The old board is back: power it off (its card stays out), and run the same command again. Nothing was given to it.', { where: { node: node.name } });
}
