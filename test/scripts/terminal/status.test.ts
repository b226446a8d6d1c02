import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StepEnd } from '../../../bootstrap/runner.ts';
import { statusText, underWayTold } from '../../../scripts/terminal/status.ts';
import { exampleCluster } from '../../talos/example.ts';

const cluster = exampleCluster('/nowhere');
const ends = [{ step: { title: 'worker-1 answers' }, end: 'would', detail: 'no board answers' }] as unknown as StepEnd[];

test('a rebuild that is not finished is told, with the command that goes on: `up` would refuse', () => {
  const told = underWayTold(cluster, { rebuild: { node: 'worker-1', way: 'worker', since: '2026-11-23T07:00:00.000Z', nonce: 'canary-nonce' } });
  const text = statusText(cluster, ends, told);
  assert.match(text, /✗ worker-1 answers: no board answers\n\n! worker-1 is being rebuilt since 2026-11-23T07:00:00\.000Z, .* firstlight rebuild gandalf worker-1$/);
  assert.doesNotMatch(text, /firstlight up|canary-nonce/);
  assert.match(statusText(cluster, ends, underWayTold(cluster, {})), /`firstlight up` mends what it can\.$/);
  assert.match(statusText(cluster, [], told), /is as declared: .*\n\n! worker-1 is being rebuilt/);
});
