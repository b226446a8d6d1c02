import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock, updateLock, type RestoreRecord } from '../../lib/lock-file.ts';
import type { Facts } from '../facts.ts';

/**
 * Ends the restore of a cluster unfinished, after its name was typed: for where it can't go on, or another archive is to be taken. Nothing is
 * done to the machines. Of nodes whose new card was written every older one stays out. Gives the record that is gone. Throws
 * `E_RESTORE_NONE` where none is under way, `E_RESTORE_KEPT` on any other answer.
 */
export async function giveUpRestore(host: Host, { cluster, lockFile }: Pick<Facts, 'cluster' | 'lockFile'>): Promise<RestoreRecord> {
  const { restore } = await readLock(lockFile);
  if (restore === undefined) throw problem('E_RESTORE_NONE', `no restore of ${cluster.name} is under way`, 'There is nothing to give up.', { where: { file: lockFile } });
  const answer = await host.ask({ code: 'restore.give-up', text: `The restore of ${cluster.name} from ${restore.archive}, begun at ${restore.since}, is not finished. ${leftBy(restore).join(' ')} Type ${cluster.name} to give it up:` });
  if (answer.trim() !== cluster.name) throw problem('E_RESTORE_KEPT', `the restore of ${cluster.name} is under way as before: its name was not typed`, `Go on with it: firstlight restore ${cluster.name}`);
  const cards = Object.fromEntries(Object.entries(restore.cards).filter(([node]) => restore.written?.includes(node)));
  await updateLock(lockFile, { restore: null, cards, cardsSince: Object.fromEntries(Object.keys(cards).map((node) => [node, restore.since])) });
  host.emit({ code: 'restore.given-up', message: `the restore of ${cluster.name} was given up` });
  return restore;
}

/** What a restore that is given up leaves behind, as sentences for people. */
export function leftBy({ parts, written = [], cards, reset }: RestoreRecord): readonly string[] {
  const unwritten = Object.keys(cards).filter((node) => !written.includes(node));
  return [
    ...(written.length > 0 ? [`${written.join(', ')} ${written.length > 1 ? 'have new cards' : 'has a new card'} by now: keep the old boards unplugged, they are refused from now on.`] : []),
    ...(unwritten.length > 0 ? [`${unwritten.join(', ')} may have no power any more.`] : []),
    ...(reset?.length ? [`What ${reset.join(', ')} still ${reset.length > 1 ? 'have' : 'has'} of the old etcd may be wiped already.`] : []),
    ...(parts.includes('etcd') ? ['Where etcd is back, Flux may still be suspended (`flux resume kustomization --all`, `flux resume helmrelease --all`), and the NAS let only one session into each LUN until the next `firstlight up`.'] : []),
  ];
}
