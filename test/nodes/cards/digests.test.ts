import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { keyedDigest, sha256 } from '../../../nodes/cards/digests.ts';

test('a digest tells a block from one with any one bit changed, with sectors swapped, and cut; a keyed one is of its key', () => {
  const block = randomBytes(64 * 1024);
  const keyed = keyedDigest();
  for (const digest of [keyed, sha256]) {
    const own = digest(block);
    assert.ok(digest(Buffer.from(block)).equals(own));
    for (let bit = 0; bit < block.length * 8; bit += 997) {
      const byte = block[bit >> 3]!;
      block[bit >> 3] = byte ^ (1 << (bit & 7));
      assert.ok(!digest(block).equals(own), `bit ${bit}`);
      block[bit >> 3] = byte;
    }
    assert.ok(!digest(Buffer.concat([block.subarray(512, 1024), block.subarray(0, 512), block.subarray(1024)])).equals(own));
    assert.ok(!digest(block.subarray(0, -1)).equals(own));
    assert.ok(!digest(Buffer.concat([block, Buffer.alloc(16)])).equals(own));
  }
  assert.ok(!keyedDigest()(block).equals(keyed(block)));
});
