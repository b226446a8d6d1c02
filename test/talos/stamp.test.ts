import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CardContents } from '../../nodes/cards/types.ts';
import { networkValue } from '../../talos/meta-network.ts';
import { cardKeys, cardLacks, encodeStamp, parseStamp } from '../../talos/stamp.ts';
import { exampleCluster } from './example.ts';

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

test('an unused card is written again when it carries another network, a used one never', () => {
  const plain = exampleCluster('/nowhere');
  const node = plain.nodes[1]!;
  const network = networkValue({ ...plain, network: { ...plain.network, maintenance: 'static' } }, node);
  const mark = { schematic: 'ab', version: '1.11.0', rawSha256: 'cd' };
  const own = { cluster: 'gandalf', node: node.name };
  const card = (labels: readonly string[], there?: string): CardContents => ({
    kind: 'talos', bytes: 8e9, partitions: labels.map((label, number) => ({ number, label, type: '', guid: '', start: 0, bytes: 1 })), meta: cardKeys({ ...own, nonce: 'aa' }, mark, there),
  });
  assert.equal(cardLacks(card([], network), { ...own, network }, 'cd'), undefined);
  assert.match(cardLacks(card([]), { ...own, network }, 'cd') ?? '', /another network/);
  assert.match(cardLacks(card([], network), own, 'cd') ?? '', /another network/);
  assert.equal(cardLacks(card(['STATE'], network), own, 'cd'), undefined);
  assert.equal(cardLacks(card([]), own, 'cd'), undefined);
});
