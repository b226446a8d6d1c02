import { problem } from '../../lib/errors.ts';
import { updateLock, type RebuildRecord } from '../../lib/lock-file.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { createLookout, type Neighbours } from '../boards.ts';
import type { Facts } from '../facts.ts';
import type { Host } from '../../lib/host.ts';
import type { Patience } from '../up.ts';

/** What the steps of one rebuild share: the node, what was decided at its start, and one look around for all of them. */
export type Rebuild = {
  readonly facts: Facts;
  readonly node: ClusterNode;
  readonly record: RebuildRecord;
  readonly patience: Patience;
  readonly lookout: (host: Host) => Promise<Neighbours>;
  /** Notes on disk that the node's new card was proven: it may be in a board that does not answer yet. */
  readonly noteWritten: () => Promise<void>;
};

/**
 * The rebuild that a record tells of. From here on only the card with the record's nonce is this node's: an older one is refused
 * wherever it answers. Throws `E_REBUILD_NODE` where the cluster has no such node.
 */
export function rebuildOf(facts: Facts, record: RebuildRecord, patience: Patience): Rebuild {
  const node = facts.cluster.nodes.find((each) => each.name === record.node);
  if (!node) {
    throw problem('E_REBUILD_NODE', `the lock file tells of a rebuild of ${record.node}, which cluster.yaml does not declare`,
      `Declare the node again and finish its rebuild; or give it up: firstlight rebuild ${facts.cluster.name} ${record.node} --give-up`, { where: { file: facts.lockFile } });
  }
  facts.nonces.set(node.name, record.nonce);
  // Its new card is written here, so it has a stamp: also where the board before was proven by its MAC alone.
  return {
    facts, node: { ...node, proof: 'stamp' }, record, patience, lookout: createLookout(facts),
    noteWritten: () => updateLock(facts.lockFile, { rebuild: { ...record, written: true } }),
  };
}

/** The control planes other than the node itself: those that can be asked about it. */
export function otherControlPlanes({ facts, node }: Pick<Rebuild, 'facts' | 'node'>): readonly ClusterNode[] {
  return facts.cluster.nodes.filter((each) => each.role === 'control plane' && each.name !== node.name);
}
