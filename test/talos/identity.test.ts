import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Host } from '../../lib/host.ts';
import { claimedNode, identify, type Identity } from '../../talos/identity.ts';
import { fingerprintOf, greet } from '../../talos/fingerprint.ts';
import { proveNode } from '../../talos/proof.ts';
import { encodeStamp } from '../../talos/stamp.ts';
import { talosctl } from '../../talos/talosctl.ts';
import { testHost } from '../support/host.ts';
import { exampleCluster } from './example.ts';
import { recording } from './recorded.ts';
import { mutePort, selfSigned, talosPort } from './tls-server.ts';

const MAINTENANCE = 'maintenance-service.talos.dev';
const cluster = exampleCluster('/nowhere');
const [cp, one, two] = cluster.nodes;
assert.ok(cp && one && two);
const NONCE = 'a1b2c3';

/** A host whose talosctl answers with what real Talos was recorded to answer, its META key replaced. */
function replaying(host: Host, stamp: string, before: () => void = () => {}): Host {
  const links = recording('vm-maintenance', 'get links json').stdout;
  const meta = recording('vm-running', 'get metakeys with json value json').stdout.replace(JSON.stringify('{"card":"abc"}'), JSON.stringify(stamp));
  return { ...host, run: async (command) => { before(); return { exitCode: 0, stderr: '', stdout: command.args[1] === 'metakeys' ? meta : links }; } };
}

test('a machine in maintenance is read with its stamp, MACs and the fingerprint it was read behind', async () => {
  const host = testHost();
  const pair = await selfSigned(MAINTENANCE);
  const port = await talosPort('127.77.2.1', pair);
  try {
    const told = await identify(replaying(host, encodeStamp({ cluster: 'gandalf', node: 'worker-1', nonce: NONCE })), cluster, '127.77.2.1');
    assert.deepEqual(told, {
      kind: 'maintenance', address: '127.77.2.1', fingerprint: fingerprintOf(pair.der),
      stamp: { cluster: 'gandalf', node: 'worker-1', nonce: NONCE }, macs: ['52:54:00:00:00:15'],
    });
    const unstamped = await identify(replaying(host, 'null'), cluster, '127.77.2.1');
    assert.ok(unstamped.kind === 'maintenance' && unstamped.stamp === undefined);
  } finally {
    await port.close();
    host.remove();
  }
});

test('facts read while the certificate changed are thrown away', async () => {
  const host = testHost();
  const port = await talosPort('127.77.2.2', await selfSigned(MAINTENANCE));
  const next = await selfSigned(MAINTENANCE);
  try {
    const told = await identify(replaying(host, 'null', () => port.swap(next)), cluster, '127.77.2.2');
    assert.ok(told.kind === 'silent' && /changed/.test(told.seen));
  } finally {
    await port.close();
    host.remove();
  }
});

test('nobody, a mute port, and a machine of another cluster: silent, silent, foreign', async () => {
  const host = testHost();
  const mute = await mutePort('127.77.2.4');
  const port = await talosPort('127.77.2.5', await selfSigned('stranger', '127.77.2.5'));
  try {
    const nobody = await identify(host, cluster, '127.77.2.3');
    assert.ok(nobody.kind === 'silent' && /closed/.test(nobody.seen));
    const quiet = await greet(host, '127.77.2.4', 300);
    assert.ok(quiet.kind === 'silent' && /no answer/.test(quiet.seen));
    assert.deepEqual(await identify(host, cluster, '127.77.2.5'), { kind: 'foreign', address: '127.77.2.5', name: 'stranger' });
    const talosconfigPath = await anyTalosconfig(host);
    assert.deepEqual(await identify(host, cluster, '127.77.2.5', talosconfigPath), { kind: 'foreign', address: '127.77.2.5', name: 'stranger' });
  } finally {
    await mute.close();
    await port.close();
    host.remove();
  }
});

test('the real talosctl: refused, hanging and foreign machines have their codes; an abort ends the look', async () => {
  const host = testHost();
  const mute = await mutePort('127.77.2.6');
  const port = await talosPort('127.77.2.7', await selfSigned('stranger', '127.77.2.7'));
  try {
    const talosconfigPath = await anyTalosconfig(host);
    const at = (address: string) => ({ address, mode: 'secure' as const, talosconfigPath });
    await assert.rejects(talosctl(host, { address: '127.77.2.3', mode: 'maintenance' }, ['get', 'links']), { code: 'E_TALOS_REFUSED' });
    await assert.rejects(talosctl(host, at('127.77.2.6'), ['etcd', 'members'], { timeoutMs: 500 }), { code: 'E_TALOS_HANG', message: /etcd members within/ });
    await assert.rejects(talosctl(host, at('127.77.2.7'), ['version']), { code: 'E_TALOS_OTHER_CLUSTER' });
    const look = greet(host, '127.77.2.6');
    host.abort.abort();
    await assert.rejects(look, { name: 'AbortError' });
  } finally {
    await mute.close();
    await port.close();
    host.remove();
  }
});

async function anyTalosconfig(host: Host): Promise<string> {
  const path = `${host.scratch}/talosconfig`;
  await host.run({ program: 'talosctl', args: ['gen', 'config', 'any', 'https://127.77.2.9:6443', '-t', 'talosconfig', '-o', path] });
  return path;
}

function waiting(node: typeof one, stamp: { cluster?: string; node?: string; nonce?: string } | undefined = {}): Identity {
  assert.ok(node);
  const told = stamp && { cluster: 'gandalf', node: node.name, nonce: NONCE, ...stamp };
  return { kind: 'maintenance', address: '10.0.0.7', fingerprint: 'print', macs: [node.mac], ...(told ? { stamp: told } : {}) };
}

function unstamped(node: typeof one): Identity {
  assert.ok(node);
  return { kind: 'maintenance', address: '10.0.0.7', fingerprint: 'print', macs: [node.mac] };
}

test('proof by stamp, by MAC where the inventory says so, and by certificate once configured', () => {
  assert.deepEqual(proveNode(cluster, one, waiting(one), NONCE), { node: 'worker-1', address: '10.0.0.7', by: 'stamp', fingerprint: 'print' });
  assert.deepEqual(proveNode(cluster, { ...one, proof: 'mac' }, unstamped(one)), { node: 'worker-1', address: '10.0.0.7', by: 'mac', fingerprint: 'print' });
  const configured: Identity = { kind: 'configured', address: one.address, hostname: 'worker-1', macs: ['aa:aa:aa:aa:aa:aa', one.mac] };
  assert.deepEqual(proveNode(cluster, one, configured), { node: 'worker-1', address: one.address, by: 'certificate' });
});

const REFUSED: readonly [string, Identity, string, RegExp, string?][] = [
  ['silent', { kind: 'silent', address: '10.0.0.7', seen: 'port 50000 is closed' }, 'E_IDENTITY_SILENT', /worker-1.*closed/],
  ['foreign', { kind: 'foreign', address: '10.0.0.7', name: 'n1' }, 'E_IDENTITY_FOREIGN', /n1.*gandalf/],
  ['no stamp', unstamped(one), 'E_IDENTITY_NO_STAMP', /worker-1/],
  ['another cluster’s card', waiting(one, { cluster: 'saruman' }), 'E_IDENTITY_OTHER_CLUSTER', /saruman.*worker-1.*gandalf/],
  ['another node’s card (swapped)', { ...waiting(one), stamp: { cluster: 'gandalf', node: 'worker-2', nonce: NONCE } } as Identity, 'E_IDENTITY_OTHER_NODE', /worker-1.*worker-2/],
  ['its card in another board', { ...waiting(two), stamp: { cluster: 'gandalf', node: 'worker-1', nonce: NONCE } } as Identity, 'E_IDENTITY_MAC', /worker-1.*worker-2/],
  ['its card in an unknown board', { ...waiting(one), macs: ['00:00:00:00:00:01'] } as Identity, 'E_IDENTITY_MAC', /worker-1.*00:01.*a6:32/],
  ['an older card', waiting(one), 'E_IDENTITY_OLD_CARD', /worker-1/, 'ffff'],
  ['configured, with an older card', { kind: 'configured', address: one.address, hostname: 'worker-1', macs: [one.mac], stamp: { cluster: 'gandalf', node: 'worker-1', nonce: NONCE } }, 'E_IDENTITY_OLD_CARD', /worker-1.*back with the card it had before.*keep it off/, 'ffff'],
  ['configured, with a card without a stamp where a newer one is known', { kind: 'configured', address: one.address, hostname: 'worker-1', macs: [one.mac] }, 'E_IDENTITY_OLD_CARD', /worker-1/, 'ffff'],
  ['the newest card in a board of nobody', { ...waiting(one), macs: ['00:00:00:00:00:01'] } as Identity, 'E_IDENTITY_SPARE', /worker-1.*00:01.*a6:32/, NONCE],
  ['configured as another', { kind: 'configured', address: '10.0.0.7', hostname: 'worker-2', macs: [one.mac] }, 'E_IDENTITY_OTHER_NODE', /worker-2.*worker-1/],
  ['configured, in another board', { kind: 'configured', address: '10.0.0.7', hostname: 'worker-1', macs: [two.mac] }, 'E_IDENTITY_MAC', /worker-1.*worker-2/],
];

for (const [name, identity, code, message, nonce] of REFUSED) {
  test(`no proof: ${name}`, () => {
    assert.throws(() => proveNode(cluster, one, identity, nonce), (error: { code: string; message: string; where: { node: string } }) => {
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return error.where.node === 'worker-1';
    });
  });
}

test('an old board is told with the rebuild that took its place', () => {
  const back: Identity = { kind: 'configured', address: one.address, hostname: 'worker-1', macs: [one.mac], stamp: { cluster: 'gandalf', node: 'worker-1', nonce: NONCE } };
  assert.throws(() => proveNode(cluster, one, back, 'ffff', '2026-11-23T07:10:00.123Z'),
    { message: `the board of worker-1 (at ${one.address}) is back with the card it had before the rebuild of 2026-11-23 07:10 UTC: keep it off` });
  assert.equal(proveNode(cluster, one, back, NONCE).by, 'certificate');
});

test('proof: mac never overrules a stamp that names another', () => {
  const swapped = { ...waiting(one), stamp: { cluster: 'gandalf', node: 'worker-2', nonce: NONCE } } as Identity;
  assert.throws(() => proveNode(cluster, { ...one, proof: 'mac' }, swapped), { code: 'E_IDENTITY_OTHER_NODE' });
});

test('a claim is by stamp, then hostname or MAC, and a stamp of another cluster claims nobody', () => {
  assert.equal(claimedNode(cluster, waiting(one))?.name, 'worker-1');
  assert.equal(claimedNode(cluster, { ...waiting(one), stamp: { cluster: 'gandalf', node: 'worker-2', nonce: NONCE } } as Identity)?.name, 'worker-2');
  assert.equal(claimedNode(cluster, unstamped(two))?.name, 'worker-2');
  assert.equal(claimedNode(cluster, waiting(one, { cluster: 'saruman' })), undefined);
  assert.equal(claimedNode(cluster, { kind: 'configured', address: 'x', hostname: 'cp-1', macs: [] })?.name, 'cp-1');
  assert.equal(claimedNode(cluster, { kind: 'silent', address: 'x', seen: 'y' }), undefined);
});
