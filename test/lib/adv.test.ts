import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ADV_BYTES, decodeMeta, encodeMeta, META_BYTES } from '../../lib/adv.ts';

test('META is laid out as go-adv lays it out, twice', () => {
  const bytes = encodeMeta(new Map([[0x0c, 'ab']]));
  assert.equal(bytes.length, META_BYTES);
  assert.equal(bytes.toString('hex', 0, 15), '5a4b3c2d' + '0000000c' + '00000002' + '6162' + '00');
  assert.equal(bytes.toString('hex', ADV_BYTES - 4, ADV_BYTES), 'a5b4c3d2');
  const unsummed = Buffer.from(bytes.subarray(0, ADV_BYTES)).fill(0, ADV_BYTES - 36, ADV_BYTES - 4);
  assert.ok(createHash('sha256').update(unsummed).digest().equals(bytes.subarray(ADV_BYTES - 36, ADV_BYTES - 4)));
  assert.ok(bytes.subarray(0, ADV_BYTES).equals(bytes.subarray(ADV_BYTES)));
});

test('any keys and values come back', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 255 }), fc.string({ unit: 'grapheme' })), { maxLength: 6 }), (pairs) => {
    const values = new Map(pairs);
    assert.deepEqual(decodeMeta(encodeMeta(values)), new Map([...values].sort(([a], [b]) => a - b)));
  }), { numRuns: 25 });
});

test('one damaged copy does no harm, two are no META, nor is an empty one', () => {
  for (const at of [0, 6, 9000, ADV_BYTES - 10]) {
    const bytes = encodeMeta(new Map([[0x0c, 'x']]));
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    assert.deepEqual(decodeMeta(bytes), new Map([[0x0c, 'x']]));
    bytes[at + ADV_BYTES] = (bytes[at + ADV_BYTES] ?? 0) ^ 1;
    assert.equal(decodeMeta(bytes), undefined);
  }
  assert.equal(decodeMeta(Buffer.alloc(META_BYTES)), undefined);
  assert.equal(decodeMeta(Buffer.alloc(10)), undefined);
});

test('what does not fit is refused', () => {
  assert.throws(() => encodeMeta(new Map([[0, 'x']])), RangeError);
  assert.throws(() => encodeMeta(new Map([[256, 'x']])), RangeError);
  assert.throws(() => encodeMeta(new Map([[1, 'x'.repeat(ADV_BYTES)]])), RangeError);
});
