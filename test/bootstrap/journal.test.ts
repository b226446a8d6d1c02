import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openJournal } from '../../bootstrap/journal.ts';
import { testHost } from '../support/host.ts';

test('the journal is JSON lines, private, masked, and thins out progress', () => {
  const host = testHost();
  const canary = 'canary-secret-4711';
  host.mask.add(canary);
  let now = 1_000_000;
  const journal = openJournal(join(host.scratch, 'runs', 'one'), { now: () => now, sleep: async () => {} }, host.mask);
  journal.record({ code: 'step.started', step: 'a', message: `with ${canary}` });
  for (let index = 0; index < 50; index += 1) { now += 100; journal.record({ code: 'card.progress', node: 'w-1', data: { bytes: index } }); }
  journal.record({ code: 'step.done', step: 'a', data: { id: 5n } });
  journal.close();
  const lines = readFileSync(journal.path, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { code: string; n: number });
  assert.deepEqual(lines.map(({ n }) => n), lines.map((_line, index) => index + 1));
  assert.equal(lines.filter(({ code }) => code === 'card.progress').length, 5);
  assert.ok(!readFileSync(journal.path, 'utf8').includes(canary));
  assert.equal(statSync(journal.path).mode & 0o777, 0o600);
  host.remove();
});
