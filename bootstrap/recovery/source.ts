import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { RecoverySource } from '../../lib/lock-file.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { observeEtcd } from '../../talos/etcd.ts';
import type { SnapshotKind, SnapshotProof } from '../../talos/snapshot.ts';
import { copyDatabase, etcdSnapshot } from '../../talos/talosctl-recover.ts';
import type { Facts } from '../facts.ts';
import { runningPods, type KnownObjects } from './before.ts';
import { refuseOldCard } from './etcd.ts';
import { forgetKept, keepBefore, keepSource } from './keep.ts';
import { prepareSnapshot } from './prepare.ts';

/** A snapshot that may be at hand (a backup's): `open` gives a plain file in the host's scratch folder, with the list of objects that it was kept with, or throws why it can't. `at` is ISO 8601. */
export type Candidate = { readonly name: string; readonly at: string; open(host: Host): Promise<{ readonly file: string; readonly known?: KnownObjects }> };

/** What the person wants: a file of theirs, or what is found. `candidates` are the backups, newest first. */
export type SourceWish = { readonly snapshot?: string; readonly candidates: (host: Host) => Promise<readonly Candidate[]> };

/** Where etcd comes from, in words, how old it is (milliseconds, where that is known), and what was refused on the way, each with its reason. */
export type ChosenSource = { readonly source: RecoverySource; readonly told: string; readonly ageMs?: number; readonly refused: readonly string[] };

/** The words that a person types to go on without any snapshot. */
export const WITHOUT = 'without a snapshot';

/** Milliseconds that a dying board gets to give its snapshot or database away. */
const GIVE_MS = 5 * 60_000;

/**
 * Chooses where the lost etcd of an only control plane comes from, before anything is touched, and keeps it (`keepSource`): the file that
 * was named; else what its board still gives (a snapshot, or the raw database); else the newest backup that proves good; else nothing,
 * which a person has to confirm by typing `without a snapshot`. Everything else is refused or told with its reason (`recovery.refused`).
 * Throws what proving a named file throws, `E_REBUILD_NO_SNAPSHOT` where nothing was confirmed.
 */
export async function chooseSource(host: Host, facts: Facts, node: ClusterNode, wish: SourceWish): Promise<ChosenSource> {
  await forgetKept(facts.cluster, node.name);
  const running = await runningPods(host, facts);
  const refused: string[] = [];
  const refuse = (what: string, error: unknown): void => {
    host.signal.throwIfAborted();
    if (!(error instanceof FirstlightError)) throw error;
    const message = `${what} can't be used: ${error.message}`;
    refused.push(message);
    host.emit({ code: 'recovery.refused', node: node.name, message });
  };
  const keep = async (file: string, kind: SnapshotKind, told: string, at?: number): Promise<ChosenSource> => {
    const bundle = await facts.bundle(host);
    const out = join(host.scratch, `prepared-${host.clock.now()}.snapshot`);
    const proof = await prepareSnapshot(host, facts.cluster, bundle, file, kind, out);
    const source = await keepSource(facts.cluster, node.name, bundle, out, kind).finally(() => rm(out, { force: true }));
    await keepBefore(facts.cluster, node.name, { running, revision: proof.revision, known: { of: told, objects: proof.objects, ...(at === undefined ? {} : { at: new Date(at).toISOString() }) } });
    return { source, told: `${told}: ${wordsOf(proof)}`, refused, ...(at === undefined ? {} : { ageMs: Math.max(0, host.clock.now() - at) }) };
  };
  if (wish.snapshot !== undefined) {
    const { size, mtimeMs } = await stat(wish.snapshot).catch(() => ({ size: 0, mtimeMs: 0 }));
    return keep(wish.snapshot, size % 512 === 0 && size > 0 ? 'copy' : 'snapshot', wish.snapshot, mtimeMs);
  }
  const given = await fromBoard(host, facts, node, refuse);
  if (given) {
    const kept = await keep(given.file, given.kind, given.told, host.clock.now()).catch((error: unknown) => refuse(given.told, error));
    if (kept) return kept;
  }
  let known: KnownObjects | undefined;
  for (const candidate of await wish.candidates(host)) {
    const what = `${candidate.name} of ${candidate.at}`;
    const opened = await candidate.open(host).catch((error: unknown) => refuse(what, error));
    if (!opened) continue;
    known ??= opened.known;
    const kept = await keep(opened.file, 'snapshot', what, Date.parse(candidate.at)).catch((error: unknown) => refuse(what, error));
    if (kept) return kept;
  }
  await confirmNothing(host, node, refused);
  await keepBefore(facts.cluster, node.name, { running, ...(known === undefined ? {} : { known }) });
  return { source: { from: 'nothing' }, told: 'nothing: Kubernetes begins empty, and what git holds is made anew', refused };
}

/** What the board still gives, where it answers: a snapshot of its etcd that runs, or the database of one that does not. Nothing from a board with an older card: what it has is from before its own rebuild. */
async function fromBoard(host: Host, facts: Facts, node: ClusterNode, refuse: (what: string, error: unknown) => void): Promise<{ readonly file: string; readonly kind: SnapshotKind; readonly told: string } | undefined> {
  const access = await facts.access(host, node);
  const older = await refuseOldCard(host, facts, node).then(() => false, (error: unknown) => { refuse(`the etcd of the board at ${node.address}`, error); return true; });
  if (older) return undefined;
  const seen = await observeEtcd(host, node.name, access);
  if (!seen.asked || seen.data === 'empty') return undefined;
  const file = join(host.scratch, `given-${node.name}`);
  if (seen.phase === 'running') {
    const taken = await etcdSnapshot(host, access, file, GIVE_MS).catch((error: unknown) => refuse(`a fresh snapshot of ${node.name}`, error));
    if (taken) return { file, kind: 'snapshot', told: `a snapshot that ${node.name} gave now` };
  }
  const copied = await copyDatabase(host, access, file, GIVE_MS).catch((error: unknown) => refuse(`the database on the card of ${node.name}`, error));
  if (!copied) return undefined;
  return { file, kind: 'copy', told: `the raw database that ${node.name} gave now` };
}

async function confirmNothing(host: Host, node: ClusterNode, refused: readonly string[]): Promise<void> {
  const answer = await host.ask({
    code: 'rebuild.without-snapshot',
    text: [...refused.map((line) => `  ${line}`), `There is no snapshot of the etcd of ${node.name}: Kubernetes would begin empty. What git holds is made anew and LUNs are adopted; all else is lost.`,
      `Type “${WITHOUT}” to go on`].join('\n'),
  });
  if (answer.trim().replace(/^["'“]|["'”]$/g, '') === WITHOUT) return;
  throw problem('E_REBUILD_NO_SNAPSHOT', `nothing was touched: there is no snapshot to bring the etcd of ${node.name} back from${refused.length > 0 ? ` (${refused.join('; ')})` : ''}`,
    `Name one with --snapshot FILE, or confirm with “${WITHOUT}”.`, { where: { node: node.name } });
}

function wordsOf({ revision, objects, secrets, bytes }: SnapshotProof): string {
  const count = objects.reduce((sum, each) => sum + each.count, 0);
  const opened = secrets === 'decrypt' ? 'Secrets open with the bundle' : secrets === 'plain' ? 'Secrets lie in the clear' : 'no Secrets';
  return `revision ${revision}, ${count} objects, ${opened}, ${(bytes / 1024 / 1024).toFixed(1)} MiB; restored aside and proven`;
}
