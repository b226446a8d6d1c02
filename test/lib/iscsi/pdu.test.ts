import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chapResponse, decodeBinary, encodeBinary } from '../../../lib/iscsi/chap.ts';
import { decode, decodeText, encode, encodeText, header, op, opcodeOf } from '../../../lib/iscsi/pdu.ts';

test('what is encoded is decoded, however the bytes arrive', () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 400 }), (segments, step) => {
    const bytes = Buffer.concat(segments.map((data, at) => encode(header(op.dataIn, 0x80, at), Buffer.from(data))));
    const seen: Uint8Array[] = [];
    let held: Buffer = Buffer.alloc(0);
    for (let at = 0; at < bytes.length; at += step) {
      held = Buffer.concat([held, bytes.subarray(at, at + step)]);
      for (let next = decode(held); next; next = decode(held)) {
        assert.equal(opcodeOf(next.pdu), op.dataIn);
        assert.equal(next.pdu.header.readUInt32BE(16), seen.length);
        seen.push(Uint8Array.from(next.pdu.data));
        held = next.rest;
      }
    }
    assert.equal(held.length, 0);
    assert.deepEqual(seen, segments.map((data) => Uint8Array.from(data)));
  }));
});

test('text keys keep their order, their repeats and equals signs in values', () => {
  assert.deepEqual(decodeText(Buffer.from('TargetName=a\0TargetAddress=1,1\0TargetName=b=c\0')), [['TargetName', 'a'], ['TargetAddress', '1,1'], ['TargetName', 'b=c']]);
  assert.deepEqual(decodeText(encodeText({ A: '1', B: '' })), [['A', '1'], ['B', '']]);
});

test('CHAP: the response of RFC 1994, hex and base64 values', () => {
  // printf '\x17secretsecret12\x01\x02\x03\x04' | md5sum
  assert.equal(chapResponse(0x17, 'secretsecret12', Buffer.from([1, 2, 3, 4])).toString('hex'), 'f9edbde5953884b42c0e2edf7b7453be');
  assert.deepEqual(decodeBinary('0x0aFF'), Buffer.from([10, 255]));
  assert.deepEqual(decodeBinary('0bCv8='), Buffer.from([10, 255]));
  assert.equal(decodeBinary('123'), undefined);
  assert.equal(encodeBinary(Buffer.from([10, 255])), '0x0aff');
});
