import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Archive } from '../../../bootstrap/archive/types.ts';
import { createFacts } from '../../../bootstrap/facts.ts';
import { checkGraph } from '../../../bootstrap/graph.ts';
import { changeRecord, restoredStep } from '../../../bootstrap/restore/record.ts';
import { giveUpRestore } from '../../../bootstrap/restore/give-up.ts';
import { restoreOf, type Restore } from '../../../bootstrap/restore/restore-of.ts';
import { restoreSteps } from '../../../bootstrap/restore/steps.ts';
import { resetStep } from '../../../bootstrap/restore/reset.ts';
import type { Step } from '../../../bootstrap/step.ts';
import { REAL_PATIENCE } from '../../../bootstrap/up.ts';
import { readLock, updateLock, type RestoreRecord } from '../../../lib/lock-file.ts';
import { loadCluster } from '../../../nodes/load.ts';
import { testHost } from '../../support/host.ts';

const host = testHost();
const scratch = mkdtempSync(join(tmpdir(), 'firstlight-restored-'));
after(() => { host.remove(); rmSync(scratch, { recursive: true, force: true }); });

const GANDALF = '../../../examples/homelab/machines/gandalf';
const THREE = '../../inventories/valid/three-control-planes-virtual-ip.yaml';
const archive = { path: () => undefined, manifest: {} } as unknown as Archive;
const all = ['gandalf-cp-1', 'gandalf-w-1', 'gandalf-w-2', 'gandalf-w-3'];
const recordOf = (change: Partial<RestoreRecord>): RestoreRecord => ({
  since: '2026-11-23T07:00:00.000Z', archive: 'gandalf.firstlight', sha256: 'a'.repeat(64), at: '2026-11-23T06:00:00.000Z', revision: 1, parts: ['etcd'], cards: {}, recover: { from: 'snapshot', file: '/kept', sha256: 'd'.repeat(64) }, ...change,
});

async function restoreWith(path: string, change: Partial<RestoreRecord>): Promise<Restore> {
  const cluster = await loadCluster(fileURLToPath(new URL(path, import.meta.url)));
  return restoreOf({ ...createFacts(cluster, scratch), lockFile: join(scratch, `${cluster.name}.lock.yaml`) }, recordOf(change), archive, REAL_PATIENCE);
}

/** Everything that is done before a step, by id. */
function before(steps: readonly Step[], id: string): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (each: string): void => {
    const step = steps.find(({ id: known }) => known === each);
    assert.ok(step, `there is a step ${each}`);
    for (const need of step.needs) if (!found.has(need)) { found.add(need); visit(need); }
  };
  visit(id);
  return found;
}

test('all nodes lost: every old board is off before anything is written, etcd comes before workers are awaited, the record goes last', async () => {
  const steps = restoreSteps(await restoreWith(GANDALF, { cards: Object.fromEntries(all.map((node) => [node, 'b'.repeat(32)])) }));
  checkGraph(steps);
  for (const node of all) for (const other of all) for (const act of ['card', 'power', 'board', 'config']) {
    assert.ok(before(steps, `${act}:${node}`).has(`fence:${other}`), `${act}:${node} waits for the fence of ${other}`);
    assert.ok(before(steps, `${act}:${node}`).has(`sessions:${other}`));
  }
  for (const [id, needs] of [['etcd', ['one-writer', 'config:gandalf-cp-1']], ['suspend-flux', ['etcd']], ['ready:gandalf-w-1', ['suspend-flux', 'config:gandalf-w-1']], ['stale', all.map((node) => `ready:${node}`)], ['resume-flux', ['stale', 'writers-settled']], ['luns', ['resume-flux']], ['storage', ['luns']], ['flux', ['storage-proof']]] as const) {
    for (const need of needs) assert.ok(before(steps, id).has(need), `${id} waits for ${need}`);
  }
  assert.ok(!before(steps, 'etcd').has('config:gandalf-w-1'), 'etcd does not wait for workers');
  assert.deepEqual([...before(steps, 'restored')].toSorted(), steps.map((step) => step.id).filter((id) => id !== 'restored').toSorted());
});

test('around a cluster that lives no board, card or etcd has a step; the git host comes first of all', async () => {
  const steps = restoreSteps(await restoreWith(GANDALF, { parts: ['git', 'nas'] }));
  checkGraph(steps);
  assert.deepEqual(steps.filter(({ id }) => /^(fence|card|power|board|config|etcd|reset|suspend|stale|losses)/.test(id)), []);
  assert.ok(before(steps, 'kubeconfig').has('git-back') && before(steps, 'storage').has('luns'));
});

test('a quorum that is lost: what the living control planes have is wiped behind the fence of the dead, and etcd waits for it', async () => {
  const steps = restoreSteps(await restoreWith(THREE, { cards: { 'cp-1': 'b'.repeat(32), 'cp-2': 'c'.repeat(32) }, reset: ['cp-3'] }));
  checkGraph(steps);
  for (const fence of ['fence:cp-1', 'fence:cp-2']) assert.ok(before(steps, 'reset:cp-3').has(fence));
  assert.ok(before(steps, 'etcd').has('reset:cp-3'));
  assert.deepEqual(steps.filter(({ id }) => /^(fence|card|power|reset):cp-3$/.test(id)).map(({ id }) => id), ['reset:cp-3']);
});

test('a record that does not say where etcd comes from restores nothing', async () => {
  const { recover: _none, ...rest } = recordOf({});
  const restore = await restoreWith(GANDALF, {});
  assert.throws(() => restoreSteps({ ...restore, record: rest }), { code: 'E_RESTORE_SOURCE' });
});

test('what is done is written down as it happens, also side by side; a wipe that was done is never done again; the end keeps the new cards alone', async () => {
  const restore = await restoreWith(THREE, { cards: { 'cp-1': 'b'.repeat(32), 'cp-2': 'c'.repeat(32) }, reset: ['cp-3'] });
  const { facts, record } = restore;
  await updateLock(facts.lockFile, { restore: record });
  await Promise.all([...restore.boards.values()].map((board) => board.noteWritten()));
  assert.deepEqual((await readLock(facts.lockFile)).restore?.written?.toSorted(), ['cp-1', 'cp-2']);
  const reset = resetStep(restore, facts.cluster.nodes.find(({ name }) => name === 'cp-3')!, []);
  assert.equal((await reset.observe(host)).state, 'needed');
  await changeRecord(facts, (now) => ({ ...now, reset: [] }));
  assert.equal((await reset.observe(host)).state, 'done');
  const end = restoredStep(facts, record, []);
  assert.equal((await end.observe(host)).state, 'needed');
  await end.act(host);
  assert.equal((await end.observe(host)).state, 'done');
  const lock = await readLock(facts.lockFile);
  assert.deepEqual([lock.restore, lock.cards, lock.cardsSince], [undefined, record.cards, { 'cp-1': record.since, 'cp-2': record.since }]);
});

test('a restore that is given up leaves the cards that were written, once the cluster’s name was typed', async () => {
  const { facts, record } = await restoreWith(THREE, { cards: { 'cp-1': 'e'.repeat(32), 'cp-2': 'f'.repeat(32) }, written: ['cp-1'] });
  await assert.rejects(giveUpRestore(host, facts), { code: 'E_RESTORE_NONE' });
  await updateLock(facts.lockFile, { restore: record });
  await assert.rejects(giveUpRestore({ ...host, ask: async () => 'yes' }, facts), { code: 'E_RESTORE_KEPT' });
  assert.deepEqual(await giveUpRestore({ ...host, ask: async ({ text }) => /Type (\S+) to/.exec(text)![1]! }, facts), record);
  const lock = await readLock(facts.lockFile);
  assert.deepEqual([lock.restore, lock.cards['cp-1'], lock.cards['cp-2']], [undefined, 'e'.repeat(32), 'c'.repeat(32)]);
});
