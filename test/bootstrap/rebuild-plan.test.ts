import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { checkGraph } from '../../bootstrap/graph.ts';
import type { Diagnosis } from '../../bootstrap/rebuild/diagnosis.ts';
import { giveUpRebuild, leftOf } from '../../bootstrap/rebuild/give-up.ts';
import { rebuildSteps } from '../../bootstrap/rebuild/plan.ts';
import { agreement } from '../../bootstrap/rebuild/quorum.ts';
import { rebuildOf } from '../../bootstrap/rebuild/rebuild-of.ts';
import { beginRecord, endStep, recordUnderWay, requireNoRebuild } from '../../bootstrap/rebuild/record.ts';
import type { Step } from '../../bootstrap/step.ts';
import { REAL_PATIENCE } from '../../bootstrap/up.ts';
import type { FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock, updateLock, type RebuildRecord } from '../../lib/lock-file.ts';
import { loadCluster } from '../../nodes/load.ts';
import type { ControlPlaneLook } from '../../talos/quorum.ts';
import { testHost } from '../support/host.ts';

const scratch = mkdtempSync(join(tmpdir(), 'firstlight-plan-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

async function factsOf(path: string): Promise<Facts> {
  const cluster = await loadCluster(fileURLToPath(new URL(path, import.meta.url)));
  return { ...createFacts(cluster, scratch), lockFile: join(scratch, `${cluster.name}.lock.yaml`) };
}

const GANDALF = '../../examples/homelab/machines/gandalf';
const THREE = '../inventories/valid/three-control-planes-virtual-ip.yaml';
const nonce = '0123456789abcdef0123456789abcdef';
const since = '2026-11-23T07:00:00.000Z';

/** Everything that is done before a step, by id. */
function before(steps: readonly Step[], id: string): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (each: string): void => {
    for (const need of steps.find((step) => step.id === each)!.needs) if (!found.has(need)) { found.add(need); visit(need); }
  };
  visit(id);
  return found;
}

for (const [record, path, acts] of [
  [{ node: 'gandalf-w-2', way: 'worker', since, nonce }, GANDALF, ['sessions', 'evict', 'card', 'power', 'board', 'config', 'ready', 'labels', 'initiator', 'rebuilt']],
  [{ node: 'cp-2', way: 'member', since, nonce, member: 'a1' }, THREE, ['member', 'evict', 'card', 'board', 'config', 'ready', 'labels', 'rebuilt']],
  [{ node: 'gandalf-cp-1', way: 'only', since, nonce, recover: { from: 'nothing' } }, GANDALF, ['sessions', 'card', 'power', 'board', 'config', 'ready', 'rebuilt']],
] as const satisfies readonly (readonly [RebuildRecord, string, readonly string[]])[]) {
  test(`the way ${record.way}: nothing of the old board is touched before the fence, and each act waits for the one before`, async () => {
    const steps = rebuildSteps(await factsOf(path), record);
    checkGraph(steps);
    const ids = acts.map((act) => `${act}:${record.node}`);
    for (const [index, id] of ids.entries()) {
      const earlier = before(steps, id);
      assert.ok(earlier.has(`fence:${record.node}`), `${id} waits for the fence`);
      for (const other of ids.slice(0, index)) assert.ok(earlier.has(other), `${id} waits for ${other}`);
    }
    const last = `rebuilt:${record.node}`;
    assert.deepEqual([...before(steps, last)].toSorted(), steps.map((step) => step.id).filter((id) => id !== last).toSorted(), 'the record goes when everything else is done');
    for (const step of steps) if (step.danger !== undefined && !step.id.startsWith('fence')) assert.ok(before(steps, step.id).has(`fence:${record.node}`), `${step.id} destroys nothing before the fence`);
  });
}

test('one of several control planes: the quorum is asked about before the power is cut', async () => {
  const steps = rebuildSteps(await factsOf(THREE), { node: 'cp-3', way: 'member', since, nonce });
  assert.ok(before(steps, 'fence:cp-3').has('quorum:cp-3'));
  assert.ok(before(steps, 'drain:cp-3').has('quorum:cp-3'));
  assert.ok(before(steps, 'ready:cp-3').has('etcd-agrees'));
});

test('from the plan on, only the card of the record is the node’s, and its stamp proves it', async () => {
  const facts = await factsOf(THREE);
  rebuildSteps(facts, { node: 'cp-2', way: 'member', since, nonce });
  assert.equal(facts.nonces.get('cp-2'), nonce);
});

test('a record of a node that is not declared any more is refused with what to do', async () => {
  const facts = await factsOf(GANDALF);
  assert.throws(() => rebuildSteps(facts, { node: 'gandalf-w-9', way: 'worker', since, nonce }), { code: 'E_REBUILD_NODE' });
});

test('one rebuild at a time, and up and flash wait for it; the end takes the record away and keeps the card', async () => {
  const facts = await factsOf(GANDALF);
  const [w1, w2] = ['gandalf-w-1', 'gandalf-w-2'].map((name) => facts.cluster.nodes.find((node) => node.name === name)!) as [typeof facts.cluster.nodes[0], typeof facts.cluster.nodes[0]];
  assert.equal(await recordUnderWay(facts, w1), undefined);
  await requireNoRebuild(facts);
  const record: RebuildRecord = { node: 'gandalf-w-2', way: 'worker', since, nonce, labels: { 'a.b/c': 'd' }, lost: ['2 pods'] };
  await updateLock(facts.lockFile, { rebuild: record });
  await assert.rejects(recordUnderWay(facts, w1), { code: 'E_REBUILD_OTHER' });
  assert.deepEqual(await recordUnderWay(facts, w2), record);
  await assert.rejects(requireNoRebuild(facts), { code: 'E_REBUILD_UNDER_WAY' });
  await requireNoRebuild(facts, [w1]);
  const end = endStep(rebuildOf(facts, record, REAL_PATIENCE), []);
  const host = undefined as never;
  assert.equal((await end.observe(host)).state, 'needed');
  await end.act(host);
  assert.equal((await end.observe(host)).state, 'done');
  const lock = await readLock(facts.lockFile);
  assert.equal(lock.rebuild, undefined);
  assert.equal(lock.cards['gandalf-w-2'], nonce);
});

test('a rebuild that somebody else began, while this one looked and asked, is not written over', async () => {
  const facts = { ...await factsOf(GANDALF), lockFile: join(scratch, 'meanwhile.lock.yaml') };
  const base = testHost();
  const node = facts.cluster.nodes.find(({ name }) => name === 'gandalf-w-1')!;
  const seen = { node, kubernetes: { known: false, why: '' }, etcd: [] } as unknown as Diagnosis;
  for (const [other, code] of [['gandalf-w-2', 'E_REBUILD_OTHER'], ['gandalf-w-1', 'E_REBUILD_MEANWHILE']] as const) {
    const theirs: RebuildRecord = { node: other, way: 'worker', since, nonce };
    await updateLock(facts.lockFile, { rebuild: theirs });
    await assert.rejects(beginRecord(base, facts, seen, { way: 'worker', lost: [] }), { code });
    assert.deepEqual((await readLock(facts.lockFile)).rebuild, theirs);
  }
  base.remove();
});

test('a rebuild that can’t go on is given up by typing its node’s name; what was written keeps older cards out, and then another node’s turn comes', async () => {
  const facts = { ...await factsOf(GANDALF), lockFile: join(scratch, 'given-up.lock.yaml') };
  const cp = facts.cluster.nodes.find((node) => node.name === 'gandalf-cp-1')!;
  let answer = 'yes';
  const base = testHost();
  const host: Host = { ...base, ask: async () => answer };
  await assert.rejects(giveUpRebuild(host, facts, 'gandalf-w-2'), { code: 'E_REBUILD_NONE' });
  for (const [written, cards] of [[false, { 'gandalf-w-2': 'cc' }], [true, { 'gandalf-w-2': nonce }]] as const) {
    await updateLock(facts.lockFile, { cards: { 'gandalf-w-2': 'cc' }, rebuild: { node: 'gandalf-w-2', way: 'worker', since, nonce, ...(written ? { written } : {}), labels: { disk: 'fast' } } });
    await assert.rejects(recordUnderWay(facts, cp), (error: FirstlightError) => error.code === 'E_REBUILD_OTHER' && error.hint.includes('firstlight rebuild gandalf gandalf-w-2 --give-up'));
    await assert.rejects(giveUpRebuild(host, facts, cp.name), { code: 'E_REBUILD_NONE' });
    answer = 'yes';
    await assert.rejects(giveUpRebuild(host, facts, 'gandalf-w-2'), { code: 'E_REBUILD_KEPT' });
    assert.ok((await readLock(facts.lockFile)).rebuild);
    answer = 'gandalf-w-2';
    assert.match(leftOf(await giveUpRebuild(host, facts, 'gandalf-w-2')).join(' '), written ? /keep its old board unplugged.*disk=fast/ : /no new card was written/);
    assert.deepEqual((await readLock(facts.lockFile)).cards, cards);
    assert.equal(await recordUnderWay(facts, cp), undefined);
  }
  base.remove();
});

function look(node: string, change: { readonly index?: bigint; readonly term?: bigint; readonly leader?: string; readonly learner?: boolean; readonly errors?: string; readonly members?: number } = {}): ControlPlaneLook {
  const ids = ['cp-1', 'cp-2', 'cp-3'];
  return {
    node, address: '192.168.77.11', at: 0, asked: true, phase: 'running', detail: 'etcd is Running', member: node,
    status: { member: `a${ids.indexOf(node)}`, leader: change.leader ?? 'a0', raftIndex: change.index ?? 1000n, raftTerm: change.term ?? 4n, learner: change.learner ?? false, protocol: '3.6.0', dbSize: '1 MB', errors: change.errors ?? '' },
    members: ids.slice(0, change.members ?? 3).map((name, index) => ({ id: `a${index}`, hostname: name, peerUrls: [], clientUrls: [], learner: false })),
  };
}

for (const [name, looks, seen] of [
  ['all the same', [look('cp-1'), look('cp-2', { index: 1003n }), look('cp-3')], undefined],
  ['one is silent', [look('cp-1'), look('cp-2'), { node: 'cp-3', address: '192.168.77.13', at: 0, asked: false, seen: 'no answer' }], /cp-3: no answer/],
  ['another leader', [look('cp-1'), look('cp-2', { leader: 'a1' }), look('cp-3')], /different leaders/],
  ['another term', [look('cp-1'), look('cp-2', { term: 5n }), look('cp-3')], /different leaders or terms/],
  ['a learner', [look('cp-1'), look('cp-2'), look('cp-3', { learner: true })], /cp-3 is only learning yet/],
  ['far behind', [look('cp-1', { index: 9000n }), look('cp-2', { index: 9000n }), look('cp-3')], /8000 apart/],
  ['a ghost in a list', [look('cp-1'), look('cp-2', { members: 2 }), look('cp-3')], /cp-2 lists 2 members/],
  ['an error', [look('cp-1'), look('cp-2', { errors: 'etcdserver: no leader' }), look('cp-3')], /no leader/],
  ['a leader that is none of them', [look('cp-1', { leader: 'ff' }), look('cp-2', { leader: 'ff' }), look('cp-3', { leader: 'ff' })], /none of them/],
] as const satisfies readonly (readonly [string, readonly ControlPlaneLook[], RegExp | undefined])[]) {
  test(`whether etcd is one and whole: ${name}`, () => {
    const told = agreement(looks);
    assert.equal(told.met, seen === undefined);
    if (!told.met) assert.match(told.seen, seen!);
  });
}
