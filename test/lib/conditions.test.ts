import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor, type Look } from '../../lib/conditions.ts';
import { problem } from '../../lib/errors.ts';

function fakeHost() {
  let now = 0;
  const abort = new AbortController();
  const seen: string[] = [];
  return {
    abort, seen, signal: abort.signal,
    emit: (event: { message?: string }) => void seen.push(event.message ?? ''),
    clock: { now: () => now, sleep: async (ms: number) => { now += ms; } },
  };
}

test('waits until the look is met, telling each new thing seen once', async () => {
  const host = fakeHost();
  const looks: Look<number>[] = [{ met: false, seen: 'off' }, { met: false, seen: 'off' }, { met: false, seen: 'booting' }, { met: true, value: 7 }];
  const value = await waitFor({ name: 'it is up', deadlineMs: 5_000, hint: 'h', look: async () => looks.shift()! }, host);
  assert.equal(value, 7);
  assert.deepEqual(host.seen, ['it is up: off', 'it is up: booting']);
});

test('a deadline names the condition and the last thing seen', async () => {
  await assert.rejects(waitFor({ name: 'etcd on cp-1 is Preparing', deadlineMs: 1_000, hint: 'look at it', look: async () => ({ met: false, seen: 'refused' }) }, fakeHost()),
    { code: 'E_DEADLINE', message: /etcd on cp-1 is Preparing; last seen: refused/, hint: 'look at it' });
});

test('an ordinary error counts as not yet, a coded one ends the wait, an abort too', async () => {
  let count = 0;
  assert.equal(await waitFor({ name: 'n', deadlineMs: 5_000, hint: 'h', look: async () => { count += 1; if (count < 3) throw new Error('reset'); return { met: true, value: count }; } }, fakeHost()), 3);
  await assert.rejects(waitFor({ name: 'n', deadlineMs: 5_000, hint: 'h', look: async () => { throw problem('E_X', 'x', 'y'); } }, fakeHost()), { code: 'E_X' });
  const host = fakeHost();
  host.abort.abort();
  await assert.rejects(waitFor({ name: 'n', deadlineMs: 5_000, hint: 'h', look: async () => ({ met: false, seen: '' }) }, host), { name: 'AbortError' });
});
