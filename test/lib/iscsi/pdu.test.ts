import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chapResponse, decodeBinary, encodeBinary } from '../../../lib/iscsi/chap.ts';
import { createReader, decodeText, encode, encodeText, header, LARGEST_SEGMENT, op, opcodeOf, readLun, writeLun, type Pdu } from '../../../lib/iscsi/pdu.ts';

function takeAll(reader: ReturnType<typeof createReader>): Pdu[] {
  const units: Pdu[] = [];
  for (let unit = reader.take(); unit; unit = reader.take()) units.push(unit);
  return units;
}

test('what is encoded is read again, however the bytes arrive', () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 400 }), (segments, step) => {
    const bytes = Buffer.concat(segments.flatMap((data, at) => encode(header(op.dataIn, 0x80, at), Buffer.from(data))));
    const reader = createReader();
    const seen: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += step) {
      reader.push(bytes.subarray(at, at + step));
      for (const unit of takeAll(reader)) {
        assert.equal(opcodeOf(unit), op.dataIn);
        assert.equal(unit.header.readUInt32BE(16), seen.length);
        seen.push(Uint8Array.from(unit.data));
      }
    }
    assert.deepEqual(seen, segments.map((data) => Uint8Array.from(data)));
  }));
});

test('any bytes at all: whole units of what was pushed, or a RangeError, never another error', () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), (parts) => {
    const reader = createReader();
    const pushed = parts.reduce((sum, part) => sum + part.length, 0);
    let taken = 0;
    try {
      for (const part of parts) {
        reader.push(Buffer.from(part));
        for (const { header: head, data } of takeAll(reader)) {
          assert.equal(head.length, 48);
          assert.equal(data.length, head.readUIntBE(5, 3));
          taken += 48 + head.readUInt8(4) * 4 + Math.ceil(data.length / 4) * 4;
        }
      }
    } catch (error) {
      assert.ok(error instanceof RangeError && /data segment of \d+ bytes/.test(error.message), String(error));
    }
    assert.ok(taken <= pushed);
  }), { numRuns: 500 });
});

test('a segment of the largest size passes, a byte more does not, and additional header segments are stepped over', () => {
  const reader = createReader();
  for (const part of encode(header(op.dataIn, 0x80, 7), Buffer.alloc(LARGEST_SEGMENT, 1))) reader.push(part);
  assert.equal(reader.take()?.data.length, LARGEST_SEGMENT);
  const extended = header(op.command, 0x80, 8);
  extended[4] = 2;
  const [head = Buffer.alloc(0), ...rest] = encode(extended, Buffer.from('data'));
  reader.push(Buffer.concat([head, Buffer.alloc(8, 0xff), ...rest]));
  assert.equal(reader.take()?.data.toString(), 'data');
  const [tooLong = Buffer.alloc(0)] = encode(header(op.dataIn, 0x80, 9), Buffer.alloc(LARGEST_SEGMENT + 1));
  reader.push(tooLong);
  assert.throws(() => reader.take(), RangeError);
});

test('a long unit in a thousand small parts is joined twice at most', () => {
  const bytes = Buffer.concat(encode(header(op.dataIn, 0x80, 1), Buffer.alloc(200_000, 3)));
  const reader = createReader();
  const { concat } = Buffer;
  let joins = 0;
  Buffer.concat = (...args) => {
    joins += 1;
    return concat(...args);
  };
  try {
    for (let at = 0; at < bytes.length; at += 200) {
      reader.push(bytes.subarray(at, at + 200));
      if (at + 200 < bytes.length) assert.equal(reader.take(), undefined);
    }
    assert.equal(reader.take()?.data.length, 200_000);
  } finally {
    Buffer.concat = concat;
  }
  assert.ok(joins <= 2, `${joins} joins`);
});

test('text keys keep their order, their repeats and equals signs in values', () => {
  assert.deepEqual(decodeText(Buffer.from('TargetName=a\0TargetAddress=1,1\0TargetName=b=c\0')), [['TargetName', 'a'], ['TargetAddress', '1,1'], ['TargetName', 'b=c']]);
  assert.deepEqual(decodeText(encodeText([['A', '1'], ['B', '']])), [['A', '1'], ['B', '']]);
});

test('LUN numbers of one level, peripheral and flat', () => {
  for (const lun of [0, 1, 255, 256, 0x3fff]) {
    const head = header(op.command, 0, 1);
    writeLun(head, lun);
    assert.equal(readLun(head), lun);
    assert.equal(head.readUInt8(8) >> 6, lun < 256 ? 0 : 1);
  }
});

test('CHAP: the response of RFC 1994, hex and base64 values', () => {
  // printf '\x17secretsecret12\x01\x02\x03\x04' | md5sum
  assert.equal(chapResponse(0x17, 'secretsecret12', Buffer.from([1, 2, 3, 4])).toString('hex'), 'f9edbde5953884b42c0e2edf7b7453be');
  assert.deepEqual(decodeBinary('0x0aFF'), Buffer.from([10, 255]));
  assert.deepEqual(decodeBinary('0bCv8='), Buffer.from([10, 255]));
  assert.equal(decodeBinary('123'), undefined);
  assert.equal(encodeBinary(Buffer.from([10, 255])), '0x0aff');
});
