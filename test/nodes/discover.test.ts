import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { after, test } from 'node:test';
import { discover, subnetAddresses } from '../../nodes/discover.ts';

const servers: Server[] = [];
after(() => servers.forEach((server) => server.close()));

async function listen(address: string, port: number): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {})).listen(port, address);
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

test('exactly the addresses that answer are found, in order, at most as many at once as told', async () => {
  const port = await listen('127.41.4.200', 0);
  await listen('127.41.4.7', port);
  const addresses = subnetAddresses('127.41.4.0/24');
  assert.deepEqual(await discover({ signal: new AbortController().signal }, { addresses, port, atOnce: 16 }), ['127.41.4.7', '127.41.4.200']);
  assert.deepEqual(await discover({ signal: new AbortController().signal }, { addresses: [], port }), []);
});

test('an address that stays silent is given up', async () => {
  // 192.0.2.0/24 is for documentation: nothing answers there, whether packets vanish or are refused on the way.
  const found = await discover({ signal: new AbortController().signal }, { addresses: ['192.0.2.1'], port: 50_000, timeoutMs: 100 })
    .catch((error: { code?: string }) => error.code);
  assert.ok(found === 'E_DISCOVER' || (Array.isArray(found) && found.length === 0), String(found));
});

test('a fault of this machine is told, not taken for silence', async () => {
  await assert.rejects(discover({ signal: new AbortController().signal }, { addresses: ['255.255.255.255'], port: 50_000 }), { code: 'E_DISCOVER' });
});

test('an abort ends the search', async () => {
  await assert.rejects(discover({ signal: AbortSignal.abort() }, { addresses: ['127.41.4.7'], port: 50_000 }), { code: 'E_ABORTED' });
});

test('a subnet\'s addresses are its hosts', () => {
  assert.deepEqual(subnetAddresses('192.168.77.8/30'), ['192.168.77.9', '192.168.77.10']);
  const all = subnetAddresses('192.168.77.0/24');
  assert.deepEqual([all.length, all[0], all.at(-1)], [254, '192.168.77.1', '192.168.77.254']);
  assert.equal(subnetAddresses('223.255.240.0/20').length, 4094);
  assert.throws(() => subnetAddresses('10.0.0.0/19'), { code: 'E_DISCOVER_WIDE' });
  assert.throws(() => subnetAddresses('192.168.77.1/24'), { code: 'E_INVENTORY_SUBNET_HOST_BITS' });
});
