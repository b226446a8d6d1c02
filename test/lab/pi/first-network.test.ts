import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { createBoard } from '../../../lab/pi/board.ts';
import type { Board } from '../../../lab/pi/types.ts';
import { networkValue, NETWORK_KEY } from '../../../talos/meta-network.ts';
import type { Cluster } from '../../../nodes/cluster.ts';
import { exampleCluster } from '../../talos/example.ts';
import { until } from './boards.ts';
import { partsWithoutKubernetes } from './memory-card.ts';
import { talosctl } from './recordings.ts';

// A board's address before its first config: from its card where META's network key says one for this board, else from DHCP.

const plain = exampleCluster('/nowhere');
const cluster: Cluster = {
  ...plain, network: { ...plain.network, maintenance: 'static', subnet: '127.79.4.0/24', gateway: '127.79.4.1', dns: ['127.79.4.1'], ntp: ['127.79.4.1'] },
  nodes: plain.nodes.map((node) => ({ ...node, address: node.address.replace('192.168.77', '127.79.4') })),
};
const node = cluster.nodes[1]!;
const value = networkValue(cluster, node)!;
const DHCP = '127.79.4.99';
let folder: string;
let board: Board | undefined;
before(() => { folder = mkdtempSync(join(tmpdir(), 'firstlight-pi-')); });
afterEach(async () => { await board?.powerOff(); });
after(() => rmSync(folder, { recursive: true, force: true }));

/** Boots a board from a card with this network in META; gives the address at which it waits. */
async function boots(meta: string | undefined, mac = node.mac): Promise<string | undefined> {
  const parts = partsWithoutKubernetes(folder);
  if (meta !== undefined) await parts.card.writeMeta('card', new Map([[NETWORK_KEY, meta]]));
  const made = board = createBoard({ mac, dhcpAddress: DHCP, cardPath: 'card', parts, folder: join(folder, 'board'), bootMs: 5 });
  await made.powerOn();
  await until(() => made.state() === 'maintenance', 'the board in maintenance mode');
  return made.address();
}

test('with its own network on the card the board waits at its node’s address, under its name, and shows it to talosctl', async () => {
  assert.equal(await boots(value), node.address);
  const get = async (...what: string[]): Promise<string> => {
    const answer = await talosctl(['get', ...what, '-o', 'json', '--insecure', '-n', node.address], { cwd: folder, talosconfig: '/dev/null' });
    assert.equal(answer.exitCode, 0, answer.stderr);
    return answer.stdout;
  };
  assert.equal((JSON.parse(await get('meta', '0x0a')) as { spec: { value: string } }).spec.value, value);
  assert.match(await get('hostnamestatus'), /"hostname": "worker-1"/);
  assert.match(await get('addresses'), /"127\.79\.4\.21\/24"/);
  assert.match(await get('resolvers'), /"dnsServers": \[\s*"127\.79\.4\.1"/);
  assert.match(await get('timeservers'), /"timeServers": \[\s*"127\.79\.4\.1"/);
});

for (const [name, meta, mac] of [
  ['nothing', undefined, undefined], ['the network of another board', value, 'dc:a6:32:00:00:99'], ['no YAML', 'addresses: [', undefined],
  ['an address for a link that is not declared', value.replace(/^links:\n( .*\n)+/m, 'links: []\n'), undefined],
] as const) {
  test(`with ${name} in META the board asks the DHCP server`, async () => assert.equal(await boots(meta, mac), DHCP));
}
