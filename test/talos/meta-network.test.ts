import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { Cluster } from '../../nodes/cluster.ts';
import { networkChange, networkValue, parseNetwork } from '../../talos/meta-network.ts';
import { exampleCluster } from './example.ts';

const GOLDEN = join(import.meta.dirname, 'golden/meta-network.yaml');
const plain = exampleCluster('/nowhere');
const cluster: Cluster = { ...plain, network: { ...plain.network, maintenance: 'static' } };
const [, node, other] = cluster.nodes;
assert.ok(node && other);

test('the network in META is what Talos’s own code was seen to understand, field by field', () => {
  const value = networkValue(cluster, node);
  assert.ok(value);
  if (process.env['UPDATE_GOLDEN']) writeFileSync(GOLDEN, value);
  assert.equal(value, readFileSync(GOLDEN, 'utf8'));
  const { metadata, ...understood } = parse(readFileSync(join(import.meta.dirname, 'golden/meta-network.parsed.yaml'), 'utf8')) as Record<string, unknown>;
  assert.deepEqual(parse(value), understood);
  assert.deepEqual(metadata, { platform: 'metal' });
});

test('without name or time servers their lists are empty; with a DHCP server nothing is written', () => {
  const bare = parse(networkValue({ ...cluster, network: { ...cluster.network, dns: [], ntp: [] } }, node)!) as Record<string, unknown>;
  assert.deepEqual([bare['resolvers'], bare['timeServers']], [[], []]);
  assert.equal(networkValue(plain, node), undefined);
});

test('META is changed only where it says another network, and another’s value stays where none is wanted', () => {
  const [wanted, another] = [networkValue(cluster, node)!, networkValue(cluster, other)!];
  assert.equal(networkChange(wanted, wanted), undefined);
  assert.deepEqual(networkChange(wanted, another), { write: wanted });
  assert.deepEqual(networkChange(wanted, undefined), { write: wanted });
  assert.deepEqual(networkChange(wanted, 'addresses: []'), { write: wanted });
  assert.equal(networkChange(undefined, wanted), 'delete');
  assert.equal(networkChange(undefined, 'addresses: []'), undefined);
  assert.equal(networkChange(undefined, undefined), undefined);
});

test('a network is told from its value; anything else tells none, and is no error', () => {
  assert.deepEqual(parseNetwork(networkValue(cluster, node)), { addresses: ['192.168.77.21/24'], gateways: ['192.168.77.1'] });
  for (const value of [undefined, '', 'x', 'null', '- a', '{', 'addresses: 1', 'addresses: [null]', 'addresses: []', '{"addresses":[{"address":5}]}']) assert.equal(parseNetwork(value), undefined, value);
});
