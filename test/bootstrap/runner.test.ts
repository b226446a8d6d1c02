import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runSteps, planSteps } from '../../bootstrap/runner.ts';
import type { Observation, Step } from '../../bootstrap/step.ts';
import { ManyErrors, problem } from '../../lib/errors.ts';
import { testHost } from '../support/host.ts';

/** A step over a little world: done once its id is in the set. */
function step(id: string, needs: readonly string[], world: Set<string>, extra: Partial<Step> = {}): Step {
  return {
    id, part: 'test', title: id, needs,
    observe: async (): Promise<Observation> => (world.has(id) ? { state: 'done', detail: 'there' } : { state: 'needed', why: 'missing' }),
    act: async () => void world.add(id),
    ...extra,
  };
}

test('acts only on what is missing and observes again', async () => {
  const host = testHost();
  const world = new Set(['a']);
  const result = await runSteps([step('a', [], world), step('b', ['a'], world)], host);
  assert.deepEqual(result.steps.map(({ step: { id }, end }) => [id, end]), [['a', 'already'], ['b', 'done']]);
  const again = await runSteps([step('a', [], world), step('b', ['a'], world)], host);
  assert.ok(again.steps.every(({ end }) => end === 'already'));
  host.remove();
});

test('an act that changes nothing visible is not believed', async () => {
  const host = testHost();
  await assert.rejects(runSteps([step('a', [], new Set(), { act: async () => {}, node: 'w-1' })], host),
    { code: 'E_NOT_PROVEN', where: { step: 'a', node: 'w-1' } });
  host.remove();
});

test('needs are kept in any graph, lanes never hold two, nothing runs twice', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.nat(), fc.nat(), fc.boolean()), { minLength: 1, maxLength: 12 }), async (shape) => {
    const host = testHost();
    const world = new Set<string>();
    const order: string[] = [];
    let inLane = 0;
    const steps = shape.map(([one, two, lane], index) => {
      const needs = index === 0 ? [] : [...new Set([`s${one % index}`, `s${two % index}`])];
      return step(`s${index}`, needs, world, {
        ...(lane ? { lane: 'reader' } : {}),
        act: async () => {
          assert.ok(needs.every((need) => world.has(need)));
          if (lane) { inLane += 1; assert.equal(inLane, 1); }
          await new Promise(setImmediate);
          if (lane) inLane -= 1;
          order.push(`s${index}`);
          world.add(`s${index}`);
        },
      });
    });
    await runSteps(steps, host);
    assert.equal(new Set(order).size, shape.length);
    assert.equal(order.length, shape.length);
    host.remove();
  }), { numRuns: 40 });
});

test('the first failure stops what runs, waits for it, starts nothing new, and is the one that is thrown', async () => {
  const host = testHost();
  const world = new Set<string>();
  let ended = false;
  const slow = step('slow', [], world, {
    act: (inner) => new Promise((_resolve, reject) => inner.signal.addEventListener('abort', () => setImmediate(() => { ended = true; reject(inner.signal.reason as Error); }))),
  });
  const bad = step('bad', [], world, { node: 'w-2', act: async () => { throw problem('E_TEST', 'broken', 'mend it'); } });
  const after = step('after', ['bad'], world);
  await assert.rejects(runSteps([slow, bad, after], host), { code: 'E_TEST', where: { step: 'bad', node: 'w-2' } });
  assert.equal(ended, true);
  assert.equal(world.has('after'), false);
  host.remove();
});

test('two true failures are told together', async () => {
  const host = testHost();
  const fail = (id: string): Step => step(id, [], new Set(), { observe: async () => { await new Promise(setImmediate); throw problem(`E_${id}`, id, 'mend'); } });
  await assert.rejects(runSteps([fail('A'), fail('B')], host), (error) => error instanceof ManyErrors && error.problems.length === 2);
  host.remove();
});

test('an interrupt ends the run as E_ABORTED', async () => {
  const host = testHost();
  const waiting = step('w', [], new Set(), { act: (inner) => new Promise((_resolve, reject) => { inner.signal.addEventListener('abort', () => reject(inner.signal.reason as Error)); host.abort.abort(); }) });
  await assert.rejects(runSteps([waiting], host), { code: 'E_ABORTED' });
  host.remove();
});

test('circles, strangers and twins among steps are refused before anything is looked at', async () => {
  const host = testHost();
  const world = new Set<string>();
  await assert.rejects(runSteps([step('a', ['b'], world), step('b', ['a'], world)], host), { code: 'E_STEPS', message: /a → b → a/ });
  await assert.rejects(runSteps([step('a', ['nobody'], world)], host), { code: 'E_STEPS' });
  await assert.rejects(runSteps([step('a', [], world), step('a', [], world)], host), { code: 'E_STEPS' });
  host.remove();
});

test('a plan looks and touches nothing', async () => {
  const host = testHost();
  const world = new Set(['a']);
  const ends = await planSteps([step('a', [], world), step('b', ['a'], world)], host);
  assert.deepEqual(ends.map(({ end }) => end), ['already', 'would']);
  assert.equal(world.has('b'), false);
  host.remove();
});
