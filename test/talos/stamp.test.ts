import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeStamp, parseStamp } from '../../talos/stamp.ts';

test('a stamp is exactly one line of JSON and comes back', () => {
  const stamp = { cluster: 'gandalf', node: 'cp-1', nonce: '00ff' };
  const text = encodeStamp(stamp);
  assert.equal(text, '{"firstlight":1,"cluster":"gandalf","node":"cp-1","nonce":"00ff"}');
  assert.deepEqual(parseStamp(text), stamp);
});

test('anything else in the key is no stamp, and no error', () => {
  const others = [undefined, '', 'x', '1', 'null', '{}', '{"firstlight":2,"cluster":"a","node":"b","nonce":"0"}',
    '{"firstlight":1,"cluster":"","node":"b","nonce":"0"}', '{"firstlight":1,"cluster":"a","node":"b","nonce":"XY"}'];
  for (const other of others) assert.equal(parseStamp(other), undefined, String(other));
});
