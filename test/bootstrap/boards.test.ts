import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { createLookout, locate, spareOf, type Neighbours } from '../../bootstrap/boards.ts';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { oldCardsReport, recallCards, refuseReturned, rememberCards } from '../../bootstrap/old-cards.ts';
import { readLock, updateLock } from '../../lib/lock-file.ts';
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

test('the lock file says which card a rebuilt node runs from: its old board is refused with the date, whoever looks, and a new card is written down', async () => {
  const node = cluster.nodes[1]!;
  const known = facts();
  await updateLock(known.lockFile, { rebuild: { node: node.name, way: 'worker', since: '2026-11-23T07:10:00.000Z', nonce: 'bb' } });
  await updateLock(known.lockFile, { rebuild: null, cards: { [node.name]: 'bb' } });
  const board = (nonce: string): Neighbours => new Map([[node.address, { kind: 'configured', address: node.address, hostname: node.name, macs: ['00:00:5e:00:53:01'], stamp: { cluster: 'gandalf', node: node.name, nonce } }]]);
  const told = { code: 'E_IDENTITY_OLD_CARD', message: /worker-1 .*before the rebuild of 2026-11-23 07:10 UTC: keep it off/ };
  const report = (neighbours: Neighbours) => oldCardsReport(facts(), async () => neighbours, host);
  await assert.rejects(report(board('aa')), told);
  assert.equal(await report(board('bb')), 'none of worker-1');

  await recallCards(known);
  assert.throws(() => locate(known, node, board('aa')), told);
  assert.throws(() => refuseReturned(known, board('aa')), told);
  await rememberCards(known, host, [{ node: node.name, nonce: 'cc' }, { node: 'worker-2', nonce: 'dd' }]);
  const { cards, cardsSince } = await readLock(known.lockFile);
  assert.deepEqual(cards, { 'worker-1': 'cc' }, 'only of nodes that were rebuilt');
  assert.notEqual(cardsSince?.['worker-1'], '2026-11-23T07:10:00.000Z');
  await rm(known.lockFile);
  assert.equal(await report(board('aa')), 'no node was rebuilt yet');
});

test('while a rebuild is under way, its card is the node’s: an interrupted one lets nobody go on with the old board', async () => {
  const known = facts();
  await updateLock(known.lockFile, { rebuild: { node: 'worker-1', way: 'worker', since: '2026-11-23T07:10:00.000Z', nonce: 'bb' } });
  await recallCards(known);
  await rm(known.lockFile);
  assert.throws(() => locate(known, cluster.nodes[1]!, waiting()), { code: 'E_IDENTITY_OLD_CARD', message: /the rebuild of 2026-11-23 07:10 UTC/ });
});

test('the node’s newest card in a board of nobody is the spare; in maintenance mode alone, and not with any other card', () => {
  const node = cluster.nodes[1]!;
  const known = facts();
  const spare = waiting({ macs: ['00:00:5e:00:53:01'] });
  assert.equal(spareOf(known, node, spare), undefined);
  known.nonces.set(node.name, 'aa');
  assert.deepEqual(spareOf(known, node, spare), { address: '127.77.8.40', fingerprint: 'print', macs: ['00:00:5e:00:53:01'] });
  assert.throws(() => locate(known, node, spare), { code: 'E_IDENTITY_SPARE' });
  assert.equal(spareOf(known, node, waiting()), undefined, 'the declared board is no spare');
  known.nonces.set(node.name, 'bb');
  assert.equal(spareOf(known, node, spare), undefined);
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
