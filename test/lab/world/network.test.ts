import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planAddresses } from '../../../lab/world/addresses.ts';
import { holdNetwork } from '../../../lab/world/network.ts';

// A port of this file's own: whatever worlds run beside it hold their networks at another.
const PORT = 8478;

test('two worlds never get one network, be it wide; one that is given up is free again', async () => {
  const draws = [0x0102, 0x0199, 0x8102, 0x0202];
  const draw = () => draws.shift() ?? assert.fail('drew more often than it had to');
  const [first, second] = [await holdNetwork(draw, PORT), await holdNetwork(draw, PORT)];
  assert.deepEqual([first.seed, second.seed], [0x0102, 0x0202]);
  const wide = { network: { subnet: '10.20.0.0/16', gateway: '10.20.0.1', dns: [], ntp: [], endpoint: 'https://10.20.0.2:6443', maintenance: 'dhcp' as const }, nodes: [] };
  assert.notEqual(planAddresses(wide, first.seed).subnet, planAddresses(wide, second.seed).subnet);
  await first.close();
  const third = await holdNetwork(() => 0x0103, PORT);
  await Promise.all([second.close(), third.close()]);
});

test('with none free, it says so', async () => {
  const held = await holdNetwork(() => 0x7f00, PORT);
  await assert.rejects(holdNetwork(() => 0x7f01, PORT), { code: 'E_LAB_SUBNET' });
  await held.close();
});
