import { randomBytes } from 'node:crypto';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock, updateLock, type RecoverySource, type RestoreRecord } from '../../lib/lock-file.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import type { Proven, RestoreLook, RestoreVerdict } from './types.ts';

/** The restore of this cluster that is under way, if one is. Throws `E_REBUILD_UNDER_WAY` where one of its nodes is being rebuilt. */
export async function restoreUnderWay(facts: Facts): Promise<RestoreRecord | undefined> {
  const { rebuild, restore } = await readLock(facts.lockFile);
  if (rebuild === undefined) return restore;
  throw problem('E_REBUILD_UNDER_WAY', `${rebuild.node} is being rebuilt since ${rebuild.since}, and that is not finished`,
    `Finish it first: firstlight rebuild ${facts.cluster.name} ${rebuild.node}. Where more is lost by now than that node: give that up (firstlight rebuild ${facts.cluster.name} ${rebuild.node} --give-up), and run the same command again.`, { where: { file: facts.lockFile } });
}

/** Decides what can't be seen afterwards: each lost node gets the nonce of its new card, each control plane that still has data is to be wiped. Not on disk yet. */
export function newRecord(host: Host, { name, archive }: Proven, look: RestoreLook, { parts, lost }: RestoreVerdict, recover?: RecoverySource): RestoreRecord {
  const etcd = look.etcd.kind === 'lost' ? look.etcd : undefined;
  const nodes = etcd ? look.nodes.filter(({ state }) => state === 'lost').map(({ node }) => node.name) : [];
  const reset = etcd?.holding.filter((each) => !nodes.includes(each)) ?? [];
  return {
    since: new Date(host.clock.now()).toISOString(), archive: name, sha256: archive.sha256, at: archive.manifest.at, revision: archive.manifest.etcd.revision, parts,
    cards: Object.fromEntries(nodes.map((node) => [node, randomBytes(16).toString('hex')])),
    ...(reset.length > 0 ? { reset } : {}), ...(recover === undefined ? {} : { recover }), ...(lost.length > 0 ? { lost } : {}),
  };
}

/** Changes the record on disk from what it is there; steps that run side by side do so in turn. */
export async function changeRecord(facts: Facts, change: (record: RestoreRecord) => RestoreRecord): Promise<void> {
  const turn = (turns.get(facts.lockFile) ?? Promise.resolve()).then(async () => {
    const { restore } = await readLock(facts.lockFile);
    if (restore) await updateLock(facts.lockFile, { restore: change(restore) });
  });
  turns.set(facts.lockFile, turn.catch(() => {}));
  await turn;
}

const turns = new Map<string, Promise<void>>();

/** The end: the lock file knows the new cards, and no restore is under way any more. One write, so there is no between. */
export function restoredStep(facts: Facts, { cards, since }: RestoreRecord, needs: readonly string[]): Step {
  return {
    id: 'restored', part: 'End', title: `${facts.cluster.name} is restored`, needs,
    async observe() {
      const lock = await readLock(facts.lockFile);
      const known = Object.entries(cards).every(([node, nonce]) => lock.cards[node] === nonce);
      if (lock.restore === undefined && known) return { state: 'done', detail: Object.keys(cards).length > 0 ? 'the old cards are kept out from now on' : 'nothing is under way any more' };
      return { state: 'needed', why: 'to be recorded' };
    },
    act: () => updateLock(facts.lockFile, { restore: null, cards, cardsSince: Object.fromEntries(Object.keys(cards).map((node) => [node, since])) }),
  };
}
