import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conclusion } from '../../bootstrap/rebuild/diagnosis.ts';
import { settled } from '../../bootstrap/rebuild/settled.ts';
import type { RunEvent } from '../../lib/host.ts';

function told(code?: string): { readonly conclusion: Pick<Conclusion, 'refuse'> } {
  return { conclusion: code === undefined ? {} : { refuse: { code, reason: 'an election is going on', hint: 'Look again.', forcible: false } } };
}

/** Runs it on a clock of its own, with one answer after another; the last one stays. */
async function looks(...answers: readonly (string | undefined)[]): Promise<{ readonly last: string | undefined; readonly count: number; readonly waited: number; readonly events: readonly RunEvent[] }> {
  let [now, count] = [0, 0];
  const events: RunEvent[] = [];
  const clock = { now: () => now, sleep: async (ms: number) => { now += ms; } };
  const { conclusion } = await settled({ clock, signal: new AbortController().signal, emit: (event) => void events.push(event) }, async () => told(answers[Math.min(count++, answers.length - 1)]));
  return { last: conclusion.refuse?.code, count, waited: now, events };
}

test('a control plane that died a moment ago: the election is waited for', async () => {
  const { last, count, events } = await looks('E_REBUILD_QUORUM', 'E_REBUILD_QUORUM', undefined);
  assert.deepEqual([last, count], [undefined, 3]);
  assert.match(events[0]?.message ?? '', /an election is going on; looking again/);
});

test('a quorum that is lost stays refused, after the time of an election; other refusals are told at once', async () => {
  const lost = await looks('E_REBUILD_QUORUM');
  assert.deepEqual([lost.last, lost.waited], ['E_REBUILD_QUORUM', 20_000]);
  assert.deepEqual((await looks('E_REBUILD_HEALTHY')).count, 1);
});
