import { randomBytes } from 'node:crypto';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock, updateLock, type RebuildRecord, type RecoverySource } from '../../lib/lock-file.ts';
import { inspectCard } from '../../nodes/cards/inspect.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { parseStamp, STAMP_KEY } from '../../talos/stamp.ts';
import { createLookout, locateQuietly, spareOf } from '../boards.ts';
import { nodesWithFreshCard } from '../cards.ts';
import type { Facts } from '../facts.ts';
import { withDesk } from '../reader.ts';
import type { Step } from '../step.ts';
import { openImage } from '../steps/image.ts';
import type { Diagnosis } from './diagnosis.ts';
import type { Rebuild } from './rebuild-of.ts';

/** The rebuild of this node that is under way, if one is. Throws `E_REBUILD_OTHER` where one of another node is: never two at a time; `E_RESTORE_UNDER_WAY`. */
export async function recordUnderWay(facts: Facts, node: ClusterNode): Promise<RebuildRecord | undefined> {
  await requireNoRestore(facts);
  const { rebuild } = await readLock(facts.lockFile);
  if (rebuild === undefined || rebuild.node === node.name) return rebuild;
  throw problem('E_REBUILD_OTHER', `${rebuild.node} is being rebuilt since ${rebuild.since}: one node at a time`,
    `Finish it first: firstlight rebuild ${facts.cluster.name} ${rebuild.node}. Where it can't go on without ${node.name}, give it up, and begin it anew afterwards: firstlight rebuild ${facts.cluster.name} ${rebuild.node} --give-up`, { where: { node: node.name } });
}

/** Other commands leave a cluster alone while one of its nodes (of these, where told) is being rebuilt, or the cluster restored: an old board may still be about. Throws `E_REBUILD_UNDER_WAY`, `E_RESTORE_UNDER_WAY`. */
export async function requireNoRebuild({ cluster, lockFile }: Pick<Facts, 'cluster' | 'lockFile'>, nodes: readonly ClusterNode[] = cluster.nodes): Promise<void> {
  await requireNoRestore({ cluster, lockFile });
  const { rebuild } = await readLock(lockFile);
  if (rebuild === undefined || !nodes.some((node) => node.name === rebuild.node)) return;
  throw problem('E_REBUILD_UNDER_WAY', `${rebuild.node} is being rebuilt since ${rebuild.since}, and that is not finished`,
    `Finish it first: firstlight rebuild ${cluster.name} ${rebuild.node} (or, where that can't be any more, the same with --give-up)`, { where: { node: rebuild.node } });
}

/** Throws `E_RESTORE_UNDER_WAY` while the cluster is being restored. */
export async function requireNoRestore({ cluster, lockFile }: Pick<Facts, 'cluster' | 'lockFile'>): Promise<void> {
  const { restore } = await readLock(lockFile);
  if (restore === undefined) return;
  throw problem('E_RESTORE_UNDER_WAY', `${cluster.name} is being restored since ${restore.since} from ${restore.archive}, and that is not finished`, `Finish it first: firstlight restore ${cluster.name} (or, where that can't be any more, the same with --give-up)`, { where: { file: lockFile } });
}

/** What a rebuild is to begin with, beside what was seen. `keepCard`: the unused card that lies in the reader, written for this node before, is taken as it is. */
export type Beginning = { readonly way: RebuildRecord['way']; readonly lost: readonly string[]; readonly keepCard?: boolean; readonly recover?: RecoverySource };

/**
 * Decides what can't be seen afterwards. With `keep: false` nothing is written, for a plan. Else it is on disk (fsynced) when this
 * returns. Throws `E_REBUILD_CARD` where there is no card to keep, `E_REBUILD_OTHER` and `E_REBUILD_MEANWHILE` where another run began one after the look.
 */
export async function beginRecord(host: Host, facts: Facts, seen: Diagnosis, { way, lost, keepCard, recover }: Beginning, keep = true): Promise<RebuildRecord> {
  const { node } = seen;
  const nonce = keepCard ? await nonceInReader(host, facts, node) : randomBytes(16).toString('hex');
  const kube = seen.kubernetes.known ? seen.kubernetes.value.node : undefined;
  const member = way === 'member' ? seen.etcd.flatMap((look) => (look.asked && look.members ? [look.members] : []))[0]?.find((each) => each.hostname === node.name)?.id : undefined;
  const record: RebuildRecord = {
    node: node.name, way, since: new Date(host.clock.now()).toISOString(), nonce, ...(keepCard ? { written: true } : {}), ...(lost.length > 0 ? { lost } : {}),
    ...(member === undefined ? {} : { member }), ...(recover === undefined ? {} : { recover }),
    ...(kube && Object.keys(kube.labels).length > 0 ? { labels: kube.labels } : {}), ...(kube && kube.taints.length > 0 ? { taints: kube.taints } : {}),
  };
  if (!keep) return record;
  // Looks and questions before this take minutes.
  if (await recordUnderWay(facts, node)) {
    throw problem('E_REBUILD_MEANWHILE', `a rebuild of ${node.name} was begun elsewhere just now`, 'Let that one end. Where it was cut off, the same command goes on with it.', { where: { node: node.name } });
  }
  await updateLock(facts.lockFile, { rebuild: record });
  return record;
}

/**
 * The record that a run goes on with. Its card was written and is neither in the reader nor in a board that answers: it is in a board that
 * boots, or it is lost. Only a person can say; where it is lost, the record gets the nonce of another one, and the lost one is an old card.
 */
export async function resumeRecord(host: Host, facts: Facts, node: ClusterNode, record: RebuildRecord): Promise<RebuildRecord> {
  facts.nonces.set(node.name, record.nonce);
  if (!record.written) return record;
  const neighbours = await createLookout(facts)(host);
  if (locateQuietly(facts, node, neighbours).kind !== 'absent' || spareOf(facts, node, neighbours)) return record;
  if (await stampInReader(host, facts, node) === record.nonce) return record;
  const answer = await host.ask({
    code: 'rebuild.card', fallback: '',
    text: `The card of ${node.name} was written by the run before and is not in its reader. Press Enter if it is in the board; type again to write another one:`,
  });
  if (answer.trim().toLowerCase() !== 'again') return record;
  const { written: _lost, ...rest } = record;
  const renewed: RebuildRecord = { ...rest, nonce: randomBytes(16).toString('hex') };
  await updateLock(facts.lockFile, { rebuild: renewed });
  facts.nonces.set(node.name, renewed.nonce);
  return renewed;
}

async function nonceInReader(host: Host, facts: Facts, node: ClusterNode): Promise<string> {
  const image = await openImage(facts, host);
  const fresh = await withDesk(facts, host, (desk) => nodesWithFreshCard(facts, host, [node], image, desk));
  const nonce = fresh.has(node.name) ? await stampInReader(host, facts, node) : undefined;
  if (nonce !== undefined) return nonce;
  throw problem('E_REBUILD_CARD', `the reader holds no unused card of ${node.name} with this cluster's image`,
    `Leave --keep-card out: a card is written then. Or name the reader in cluster.yaml: nodes[].card.device.`, { where: { node: node.name } });
}

async function stampInReader(host: Host, facts: Facts, node: ClusterNode): Promise<string | undefined> {
  const device = node.card?.device;
  if (device === undefined) return undefined;
  const card = await withDesk(facts, host, (desk) => inspectCard(device, desk));
  return card.kind === 'talos' ? parseStamp(card.meta.get(STAMP_KEY))?.nonce : undefined;
}

/** The end: the lock file knows the node's new card, and no rebuild is under way any more. One write, so there is no between. */
export function endStep({ facts, node, record }: Rebuild, needs: readonly string[]): Step {
  return {
    id: `rebuilt:${node.name}`, part: 'End', title: `${node.name} is rebuilt`, node: node.name, needs,
    async observe() {
      const { rebuild, cards } = await readLock(facts.lockFile);
      if (rebuild === undefined && cards[node.name] === record.nonce) return { state: 'done', detail: 'its older cards are kept out from now on' };
      return { state: 'needed', why: 'to be recorded: any older card of it is kept out from now on' };
    },
    act: () => updateLock(facts.lockFile, { rebuild: null, cards: { [node.name]: record.nonce } }),
  };
}
