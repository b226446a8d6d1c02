import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createLookout, locate, type Neighbours } from '../../bootstrap/boards.ts';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { Identity } from '../../talos/identity.ts';
import { testHost, type TestHost } from '../support/host.ts';
import { exampleCluster } from '../talos/example.ts';
import { selfSigned, talosPort } from '../talos/tls-server.ts';

let host: TestHost;
let cluster: Cluster;
before(() => {
  host = testHost();
  const plain = exampleCluster(host.scratch);
  const here = (address: string): string => address.replace('192.168.77.', '127.77.8.');
  cluster = {
    ...plain, network: { ...plain.network, subnet: '127.77.8.0/26', gateway: '127.77.8.1' },
    nodes: plain.nodes.map((node) => ({ ...node, address: here(node.address) })),
  };
});
after(() => host.remove());

function facts(): Facts {
  return createFacts(cluster, host.scratch);
}

/** A board in maintenance mode, by default that of `worker-1` with its card at an address of the DHCP server. */
function waiting(change: Partial<Extract<Identity, { kind: 'maintenance' }>> = {}): Neighbours {
  const identity: Identity = {
    kind: 'maintenance', address: '127.77.8.40', fingerprint: 'print', macs: [cluster.nodes[1]!.mac], stamp: { cluster: 'gandalf', node: 'worker-1', nonce: 'aa' }, ...change,
  };
  return new Map([[identity.address, identity]]);
}

test('a board with its own card is found where it answers; with an older card than the one just written it is refused', () => {
  const node = cluster.nodes[1]!;
  const known = facts();
  assert.deepEqual(locate(known, node, waiting()), { kind: 'maintenance', address: '127.77.8.40', fingerprint: 'print' });
  known.nonces.set('worker-1', 'aa');
  assert.equal(locate(known, node, waiting()).kind, 'maintenance');
  known.nonces.set('worker-1', 'bb');
  assert.throws(() => locate(known, node, waiting()), { code: 'E_IDENTITY_OLD_CARD' });
});

test('another cluster’s card in a board of this cluster is refused with both names; in a board of nobody here it is left alone', () => {
  const node = cluster.nodes[1]!;
  const stamp = { cluster: 'saruman', node: 'orthanc', nonce: 'aa' };
  assert.throws(() => locate(facts(), node, waiting({ stamp })), { code: 'E_IDENTITY_OTHER_CLUSTER', message: /orthanc of cluster saruman, not that of worker-1 of gandalf/ });
  const namesake = waiting({ stamp: { ...stamp, node: 'worker-1' }, macs: ['00:00:5e:00:53:01'] });
  const seen = locate(facts(), node, namesake);
  assert.ok(seen.kind === 'absent');
  assert.match(seen.seen, /127\.77\.8\.40 waits for a config with the card of worker-1 of cluster saruman/);
});

test('cards of this cluster in each other’s boards are told together, fresh ones by their stamp and used ones by the hostname', () => {
  const [, one, two] = cluster.nodes;
  const used: Identity = { kind: 'configured', address: '127.77.8.43', hostname: 'worker-2', macs: [one!.mac] };
  const mixed: Neighbours = new Map([[used.address, used], ...waiting({ macs: [two!.mac] })]);
  const told = { code: 'E_IDENTITY_OTHER_NODE', message: 'the board of worker-1 (at 127.77.8.43) booted the card of worker-2; the board of worker-2 (at 127.77.8.40) booted the card of worker-1' };
  for (const node of [one!, two!]) assert.throws(() => locate(facts(), node, mixed), told);
});

test('whoever answers and is not the board is told by the names it gives', () => {
  const others: Neighbours = new Map([
    ['127.77.8.41', { kind: 'foreign', address: '127.77.8.41', name: 'barad-dur' }], ['127.77.8.42', { kind: 'silent', address: '127.77.8.42', seen: 'port 50000 is closed' }],
    ...waiting({ stamp: undefined as never, macs: ['00:00:5e:00:53:01'] }),
  ]);
  const seen = locate(facts(), cluster.nodes[1]!, others);
  assert.ok(seen.kind === 'absent');
  assert.match(seen.seen, /127\.77\.8\.41 runs Talos as “barad-dur”, not for this cluster/);
  assert.match(seen.seen, /127\.77\.8\.42: port 50000 is closed.*a card without a stamp/);
});

test('the nodes’ own addresses are looked at first, and the rest of the subnet only while a board is not at home', async () => {
  const server = await talosPort('127.77.8.60', await selfSigned('stranger', '127.77.8.60'));
  try {
    const one = { ...facts(), cluster: { ...cluster, nodes: [] } };
    assert.deepEqual([...(await createLookout(one, 'stranger')(host)).keys()], [], 'every board is at home: nobody else is asked');
    assert.deepEqual([...(await createLookout(facts(), 'stranger')(host)).keys()], ['127.77.8.60']);
  } finally {
    await server.close();
  }
});
