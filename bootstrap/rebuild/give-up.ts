import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock, updateLock, type RebuildRecord } from '../../lib/lock-file.ts';
import type { Facts } from '../facts.ts';

/**
 * Ends the rebuild of a node (declared or not any more) unfinished, after its name was typed: where something else died meanwhile, neither
 * could go on without the other. Nothing is done to the machines. Where the new card was written, every older one stays out, as after a
 * rebuild. Gives the record that is gone. Throws `E_REBUILD_NONE` where no rebuild of it is under way, `E_REBUILD_KEPT` on any other answer.
 */
export async function giveUpRebuild(host: Host, { cluster, lockFile }: Pick<Facts, 'cluster' | 'lockFile'>, node: string): Promise<RebuildRecord> {
  const { rebuild } = await readLock(lockFile);
  const where = { where: { node } };
  if (rebuild?.node !== node) {
    throw problem('E_REBUILD_NONE', `no rebuild of ${node} is under way${rebuild === undefined ? '' : `, but one of ${rebuild.node}`}`, rebuild === undefined ? 'There is nothing to give up.' : `That one is given up by: firstlight rebuild ${cluster.name} ${rebuild.node} --give-up`, where);
  }
  const answer = await host.ask({ code: 'rebuild.give-up', text: `The rebuild of ${node}, begun at ${rebuild.since}, is not finished. ${leftOf(rebuild).join(' ')} Type ${node} to give it up:` });
  if (answer.trim() !== node) throw problem('E_REBUILD_KEPT', `the rebuild of ${node} is under way as before: its name was not typed`, `Go on with it: firstlight rebuild ${cluster.name} ${node}`, where);
  await updateLock(lockFile, { rebuild: null, ...(rebuild.written ? { cards: { [node]: rebuild.nonce } } : {}) });
  host.emit({ code: 'rebuild.given-up', node, message: `the rebuild of ${node} was given up` });
  return rebuild;
}

/** What a rebuild that is given up leaves behind, as sentences for people. */
export function leftOf({ node, way, written, labels, taints }: RebuildRecord): readonly string[] {
  const byHand = [...Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`), ...taints ?? []];
  return [
    written ? `${node} has a new card by now: keep its old board unplugged, it is refused from now on.` : `${node} may have no power, no Node and no etcd member any more; no new card was written for it.`,
    ...(way === 'only' ? ['Where its etcd is back, Flux may still be suspended (`flux resume kustomization --all`, `flux resume helmrelease --all`), and the NAS let only one session into each LUN until the next `firstlight up`.'] : []),
    ...(byHand.length > 0 ? [`Set by hand on its Node, and not put back: ${byHand.join(', ')}.`] : []),
  ];
}
