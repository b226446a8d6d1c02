import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { planAddresses } from '../../../lab/world/addresses.ts';
import { holdNetwork } from '../../../lab/world/network.ts';

// A port of this file's own: whatever worlds run beside it hold their networks at another.
const PORT = 8478;

// Which of the 64 networks a seed means. Other worlds of this machine may have any of them meanwhile.
const block = (seed: number): number => (seed >> 8) % 64;

test('two worlds never get one network, be it wide; one that is given up is free again', async () => {
  const first = await holdNetwork();
  const taken = [first.seed, first.seed ^ 0x0099, first.seed ^ 0x8000];
  const second = await holdNetwork(() => taken.shift() ?? randomInt(0x10000));
  assert.equal(taken.length, 0);
  assert.notEqual(block(second.seed), block(first.seed));
  const wide = { network: { subnet: '10.20.0.0/16', gateway: '10.20.0.1', dns: [], ntp: [], endpoint: 'https://10.20.0.2:6443', maintenance: 'dhcp' as const }, nodes: [] };
  assert.notEqual(planAddresses(wide, first.seed).subnet, planAddresses(wide, second.seed).subnet);
  await assert.rejects(holdNetwork(() => second.seed ^ 0x0001), { code: 'E_LAB_SUBNET' });
  await first.close();
  const third = await holdNetwork(() => first.seed);
  await Promise.all([second.close(), third.close()]);
});
