import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withSignal, type Command, type Host } from '../../lib/host.ts';
import { eitherSignal } from '../../lib/signals.ts';

test('fires with the first of its sources, and with its reason', () => {
  const [one, other] = [new AbortController(), new AbortController()];
  const either = eitherSignal(one.signal, other.signal);
  assert.equal(either.aborted, false);
  other.abort('stop');
  one.abort('too late');
  assert.equal(either.aborted, true);
  assert.equal(either.reason, 'stop');
});

test('has fired where a source had', () => {
  assert.equal(eitherSignal(new AbortController().signal, AbortSignal.abort('before')).reason, 'before');
});

test('a host under a narrower signal still hears a program\'s own', async () => {
  const seen: AbortSignal[] = [];
  const host = { signal: new AbortController().signal, run: async (command: Command) => { seen.push(command.signal!); return { exitCode: 0, stdout: '', stderr: '' }; } } as unknown as Host;
  const [narrow, own] = [new AbortController(), new AbortController()];
  const narrowed = withSignal(host, narrow.signal);
  await narrowed.run({ program: 'p', args: [], signal: own.signal });
  await narrowed.run({ program: 'p', args: [] });
  own.abort('own');
  assert.deepEqual(seen.map((signal) => signal.reason), ['own', undefined]);
  narrow.abort('narrow');
  assert.equal(seen[1]!.reason, 'narrow');
});
