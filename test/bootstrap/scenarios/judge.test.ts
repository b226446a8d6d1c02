import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differencesOf, idOf, objectRows } from '../../../bootstrap/scenarios/compare.ts';
import { checksOf, refusalChecks, verdictOf, type Evidence } from '../../../bootstrap/scenarios/judge.ts';
import { stateOf, type SeenState } from '../../../bootstrap/scenarios/state.ts';
import type { Scenario } from '../../../bootstrap/scenarios/types.ts';

const KEY = Buffer.from('one rehearsal');

const scenario: Scenario = {
  name: 'worker-dead', file: 'worker-dead.yaml', title: 'A worker dies', story: 'A tale.', work: false, disaster: [],
  recovery: { command: 'rebuild', options: {}, answers: {} }, expect: { end: 'done', objects: 'same', allowed: [] }, budget: {},
};

const ready = { type: 'Ready', status: 'True' };

function objects(secret = 'canary') {
  return [
    { kind: 'Node', metadata: { name: 'w-1' }, status: { conditions: [ready] } },
    { kind: 'Secret', metadata: { name: 'token', namespace: 'apps' }, data: { token: secret } },
    { kind: 'ConfigMap', metadata: { name: 'plain', namespace: 'apps' }, data: { a: 'b' } },
    { kind: 'Kustomization', apiVersion: 'kustomize.toolkit.fluxcd.io/v1', metadata: { name: 'apps', namespace: 'flux-system' }, spec: { suspend: false }, status: { conditions: [ready] } },
  ];
}

function evidence(before: SeenState, after: SeenState, more: Partial<Evidence> = {}): Evidence {
  return { nodes: ['w-1'], controlPlanes: ['cp-1'], before, after, voters: ['cp-1'], volumes: [], mounted: [], corruptions: 0, differences: differencesOf(before.objects, after.objects, [], new Set()), ...more };
}

test('what is as it was passes; a digest tells nothing of a Secret, and another key makes another', () => {
  const state = stateOf(objects(), KEY);
  const checks = checksOf(scenario, evidence(state, stateOf(objects(), KEY)));
  assert.deepEqual(checks.filter(({ ok }) => !ok), []);
  assert.deepEqual(verdictOf(scenario, { end: 'done' }, checks, undefined, undefined), { verdict: 'passed', reasons: [] });
  assert.ok(!JSON.stringify(state).includes('canary'));
  const digest = (seen: SeenState) => seen.objects.find(({ kind }) => kind === 'Secret')!.digest;
  assert.notEqual(digest(state), digest(stateOf(objects(), Buffer.from('another'))));
});

test('each thing that is not as it was fails its own check', () => {
  const before = stateOf(objects(), KEY);
  const failed = (after: SeenState, more: Partial<Evidence> = {}): string[] => [...new Set(checksOf(scenario, evidence(before, after, more)).filter(({ ok }) => !ok).map(({ group }) => group))];
  assert.deepEqual(failed(stateOf(objects('another'), KEY)), ['Objects', 'Secrets']);
  assert.deepEqual(failed(stateOf(objects().filter(({ kind }) => kind !== 'ConfigMap'), KEY)), ['Objects']);
  assert.deepEqual(failed(stateOf(objects().map((each) => (each.kind === 'Node' ? { ...each, status: {} } : each)), KEY)), ['Nodes']);
  assert.deepEqual(failed(stateOf([...objects(), { kind: 'Node', metadata: { name: 'ghost' } }], KEY)), ['Nodes']);
  assert.deepEqual(failed(stateOf(objects().map((each) => (each.kind === 'Kustomization' ? { ...each, spec: { suspend: true } } : each)), KEY)), ['Flux']);
  const same = stateOf(objects(), KEY);
  assert.deepEqual(failed(same, { voters: ['cp-1', 'cp-2'] }), ['etcd']);
  assert.deepEqual(failed(same, { mounted: ['apps/data'] }), ['Volumes']);
  assert.deepEqual(failed(same, { mounted: ['apps/data'], volumes: [{ claim: 'apps/data', told: 'foreign', own: false }] }), ['Volumes']);
  assert.deepEqual(failed(same, { mounted: ['apps/data'], volumes: [{ claim: 'apps/data', told: 'read back', own: true }], corruptions: 1 }), ['Volumes']);
});

test('differences: what came after the backup, and what the scenario names, is allowed; anything else is not', () => {
  const before = stateOf([...objects(), { kind: 'ConfigMap', metadata: { name: 'late', namespace: 'apps' } }], KEY);
  const after = stateOf([...objects('another').filter(({ kind }) => kind !== 'ConfigMap'), { kind: 'ConfigMap', metadata: { name: 'more', namespace: 'apps' } }], KEY);
  const late = new Set([idOf({ kind: 'ConfigMap', namespace: 'apps', name: 'late' })]);
  const told = differencesOf(before.objects, after.objects, [{ kind: 'Secret', name: 'token', why: 'rotated' }], late).map(({ name, change, allowed }) => [name, change, allowed]);
  assert.deepEqual(told, [['late', 'lost', true], ['plain', 'lost', false], ['token', 'changed', true], ['more', 'new', true]]);
  assert.deepEqual(objectRows(before.objects, after.objects).find(({ kind }) => kind === 'ConfigMap'), { kind: 'ConfigMap', namespace: 'apps', before: 2, after: 1 });
});

test('a scenario that has to fail passes only with its own code, and with nothing touched', () => {
  const must: Scenario = { ...scenario, expect: { end: 'failure', codes: ['E_RESTORE_OLDER'], why: 'it is older' } };
  const ended = (code: string, harm: string[] = []) => ({ end: 'failure' as const, code, message: 'm', hint: 'h', harm });
  const verdict = (end: Parameters<typeof refusalChecks>[1]) => verdictOf(must, end, refusalChecks(must, end), undefined, undefined).verdict;
  assert.equal(verdict(ended('E_RESTORE_OLDER')), 'passed');
  assert.equal(verdict(ended('E_RESTORE_BUNDLE')), 'failed');
  assert.equal(verdict(ended('E_RESTORE_OLDER', ['the step “Card” was begun'])), 'failed');
  assert.equal(verdict({ end: 'done' }), 'failed');
});

test('a missed budget is told apart from a failure, which weighs more', () => {
  const rto = { measuredMs: 1, forecastMs: 3_000_000, budgetMs: 600_000, met: false };
  const missed = verdictOf(scenario, { end: 'done' }, [], rto, { ms: 0, revisions: 0, met: true });
  assert.deepEqual(missed, { verdict: 'missed budget', reasons: ['The real cluster would be back in 50 min; the budget is 10 min.'] });
  const failed = verdictOf(scenario, { end: 'failure', code: 'E_X', message: 'no', hint: '', harm: [] }, [], rto, undefined);
  assert.deepEqual(failed, { verdict: 'failed', reasons: ['The recovery failed with E_X: no'] });
});
