import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { bootstrapDecision, type BootstrapIntent } from '../../talos/bootstrap-decision.ts';
import type { EtcdObservation } from '../../talos/etcd.ts';

const NAMES = ['cp-1', 'cp-2', 'cp-3'];

function saw(node: string, change: Partial<Extract<EtcdObservation, { asked: true }>> = {}): EtcdObservation {
  return { node, asked: true, phase: 'preparing', data: 'empty', detail: 'etcd is Preparing: Running pre state', ...change };
}

const observation = (node: string): fc.Arbitrary<EtcdObservation> => fc.oneof(
  fc.constant<EtcdObservation>({ node, asked: false, seen: 'refused' }),
  fc.constant(saw(node)),
  fc.record({ phase: fc.constantFrom('absent' as const, 'starting' as const, 'preparing' as const, 'running' as const, 'failed' as const), data: fc.constantFrom('empty' as const, 'present' as const), member: fc.option(fc.constant('25e9'), { nil: undefined }) })
    .map(({ phase, data, member }) => saw(node, { phase, data, ...(member === undefined ? {} : { member }) })),
);

const situation = fc.record({
  names: fc.integer({ min: 1, max: 3 }).map((count) => NAMES.slice(0, count)),
  all: fc.tuple(...NAMES.map(observation)),
  dropped: fc.option(fc.constantFrom(...NAMES), { nil: undefined, freq: 8 }),
  order: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
  intent: fc.option(fc.record({ node: fc.constantFrom(...NAMES, 'cp-9'), finished: fc.boolean() }), { nil: undefined }),
});

test('it says bootstrap only when every control plane was asked, is empty and waits, and only for the first or the one begun', () => {
  let said = 0;
  fc.assert(fc.property(situation, ({ names, all, dropped, order, intent }) => {
    const seen = order.map((index) => all[index]).filter((each): each is EtcdObservation => each !== undefined && names.includes(each.node) && each.node !== dropped);
    const decision = bootstrapDecision(names, seen, intent);
    assert.deepEqual(bootstrapDecision(names, [...seen].reverse(), intent).kind, decision.kind, 'the order of answers does not matter');
    if (decision.kind !== 'bootstrap') return;
    said += 1;
    assert.equal(decision.node, names[0]);
    for (const name of names) {
      const each = seen.find((one) => one.node === name);
      assert.ok(each?.asked && each.phase === 'preparing' && each.data === 'empty' && each.member === undefined);
    }
    assert.ok(intent === undefined || (intent.node === names[0] && !intent.finished));
  }), { numRuns: 5000 });
  assert.ok(said > 20, `the generator must reach the bootstrap, it did ${said} times`);
});

test('whatever is seen one after another, at most one node is ever bootstrapped', () => {
  fc.assert(fc.property(fc.array(fc.tuple(...NAMES.map(observation)), { maxLength: 12 }), fc.shuffledSubarray(NAMES, { minLength: 3 }), (looks, later) => {
    const bootstrapped = new Set<string>();
    let intent: BootstrapIntent | undefined;
    looks.forEach((look, index) => {
      const decision = bootstrapDecision(index % 2 === 0 ? NAMES : later, look, intent);
      if (decision.kind === 'bootstrap') { intent = { node: decision.node }; bootstrapped.add(decision.node); }
    });
    assert.ok(bootstrapped.size <= 1);
  }), { numRuns: 3000 });
});

test('a recovery that was decided lifts only the refusal of a lost etcd: never while any control plane runs, holds or can not tell of one', () => {
  let [said, lifted] = [0, 0];
  fc.assert(fc.property(situation, ({ names, all, dropped, order, intent }) => {
    const seen = order.map((index) => all[index]).filter((each): each is EtcdObservation => each !== undefined && names.includes(each.node) && each.node !== dropped);
    const [plain, decision] = [bootstrapDecision(names, seen, intent), bootstrapDecision(names, seen, intent, true)];
    const wasLost = plain.kind === 'refuse' && intent?.finished === true && /its data is gone/.test(plain.reason);
    if (decision.kind === 'wait' && wasLost) return;
    if (decision.kind !== 'bootstrap') return assert.deepEqual(decision, plain, 'all other answers are the same');
    said += 1;
    assert.equal(decision.node, names[0]);
    for (const name of names) {
      const each = seen.find((one) => one.node === name);
      assert.ok(each?.asked && each.phase === 'preparing' && each.data === 'empty' && each.member === undefined);
    }
    if (plain.kind === 'bootstrap') return;
    lifted += 1;
    assert.ok(wasLost, `it was refused only because etcd had been there: ${JSON.stringify(plain)}`);
  }), { numRuns: 20_000 });
  assert.ok(said > 100 && lifted > 50, `the generator must reach it, it did ${said} and ${lifted} times`);
});

const TABLE: readonly [string, readonly EtcdObservation[], BootstrapIntent | undefined, string, RegExp?][] = [
  ['all wait', NAMES.map((name) => saw(name)), undefined, 'bootstrap'],
  ['the same was begun before and nothing came of it', NAMES.map((name) => saw(name)), { node: 'cp-1' }, 'bootstrap'],
  ['another was begun before', NAMES.map((name) => saw(name)), { node: 'cp-2' }, 'refuse', /cp-2.*cp-1/],
  ['it was finished before and the data is gone', NAMES.map((name) => saw(name)), { node: 'cp-1', finished: true }, 'refuse', /gone/],
  ['one runs', [saw('cp-1'), saw('cp-2', { phase: 'running', data: 'present' }), saw('cp-3')], undefined, 'done'],
  ['one runs and another is silent', [saw('cp-1', { phase: 'running', data: 'present' }), { node: 'cp-2', asked: false, seen: 'refused' }, saw('cp-3')], { node: 'cp-1' }, 'done'],
  ['one is silent', [saw('cp-1'), { node: 'cp-2', asked: false, seen: 'refused' }, saw('cp-3')], undefined, 'wait', /cp-2.*refused/],
  ['one was not looked at', [saw('cp-1'), saw('cp-3')], undefined, 'wait', /cp-2/],
  ['one holds data and is on its way', [saw('cp-1'), saw('cp-2', { data: 'present' }), saw('cp-3')], undefined, 'wait', /cp-2.*data/],
  ['one failed', [saw('cp-1'), saw('cp-2', { phase: 'failed' }), saw('cp-3')], undefined, 'refuse', /cp-2/],
  ['one is still starting', [saw('cp-1'), saw('cp-2', { phase: 'starting', detail: 'etcd is Waiting: time sync' }), saw('cp-3')], undefined, 'wait', /time sync/],
  ['a stranger among them', [...NAMES.map((name) => saw(name)), saw('worker-1')], undefined, 'refuse', /worker-1/],
];

for (const [name, look, intent, kind, reason] of TABLE) {
  test(`bootstrap when ${name}: ${kind}`, () => {
    const decision = bootstrapDecision(NAMES, look, intent);
    assert.equal(decision.kind, kind);
    if (reason) assert.match((decision as { reason: string }).reason, reason);
  });
}
