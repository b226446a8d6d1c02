import assert from 'node:assert/strict';
import { test } from 'node:test';
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
