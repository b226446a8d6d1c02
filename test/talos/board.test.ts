import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { waitFor } from '../../lib/conditions.ts';
import type { ApiServer } from '../../lab/kubernetes/api-server.ts';
import { createBoard } from '../../lab/pi/board.ts';
import { createBoardParts } from '../../lab/pi/parts.ts';
import { bootstrapDecision } from '../../talos/bootstrap-decision.ts';
import { installImage, machineConfig, talosconfig } from '../../talos/config.ts';
import { lookThrough } from '../../talos/errors.ts';
import { observeEtcd } from '../../talos/etcd.ts';
import { identify, type Identity } from '../../talos/identity.ts';
import { proveNode } from '../../talos/proof.ts';
import { departureDecision } from '../../talos/quorum.ts';
import { lookAtMember } from '../../talos/quorum-look.ts';
import { machineStage } from '../../talos/resources.ts';
import { makeBundle, openBundle } from '../../talos/secrets.ts';
import { encodeStamp, STAMP_KEY } from '../../talos/stamp.ts';
import { applyConfig } from '../../talos/talosctl-config.ts';
import { bootstrapEtcd, etcdMembers, etcdStatus, removeMember } from '../../talos/talosctl-etcd.ts';
import { kubeconfig, readFileOf, version, type Access } from '../../talos/talosctl.ts';
import { memoryCards } from '../lab/pi/memory-card.ts';
import { ageKey } from '../support/age.ts';
import { testHost, toolPrograms } from '../support/host.ts';
import { exampleCluster, exampleNode } from './example.ts';

const NONCE = '0badcafe';

/** An API server that never becomes ready. */
const absentApiServer: ApiServer = { pid: () => undefined, url: '', ready: new Promise(() => {}), client: undefined as never, log: '', stop: async () => {}, kill: async () => {} };

test('one board, from its card to a running etcd, through the real talosctl', { timeout: 120_000 }, async () => {
  const maker = testHost();
  const [mine, other] = [await ageKey(maker, 'mine'), await ageKey(maker, 'other')];
  const host = testHost({ SOPS_AGE_KEY_FILE: mine.file });
  const folder = join(maker.scratch, 'gandalf');
  await mkdir(folder);
  const node = { ...exampleNode('cp-1', 'control plane', 11), address: '127.77.3.11' };
  const cluster = exampleCluster(folder, {
    nodes: [node],
    network: { subnet: '127.77.3.0/24', gateway: '127.77.3.1', dns: [], ntp: [], endpoint: 'https://127.77.3.11:6443', maintenance: 'dhcp' },
    secrets: { recipients: [{ name: 'cluster', role: 'cluster', key: mine.recipient }, { name: 'owner', role: 'owner', key: other.recipient }] },
  });
  // Real etcd; the API server is not needed here.
  const parts = { ...createBoardParts(toolPrograms()), card: memoryCards(maker.scratch), startApiServer: async () => absentApiServer };
  await parts.card.writeMeta('card', new Map([[STAMP_KEY, encodeStamp({ cluster: 'gandalf', node: 'cp-1', nonce: NONCE })]]));
  const board = createBoard({ mac: node.mac, dhcpAddress: '127.77.3.201', cardPath: 'card', parts, folder: join(maker.scratch, 'board'), bootMs: 50 });
  const settled = (kind: Identity['kind'], address: string, talosconfigPath: string) => waitFor({
    name: `${address} is ${kind}`, deadlineMs: 30_000, everyMs: 100, hint: 'a fault of the test',
    look: async () => { const told = await identify(host, cluster, address, talosconfigPath); return told.kind === kind ? { met: true, value: told } : { met: false, seen: JSON.stringify(told) }; },
  }, host);
  try {
    await makeBundle(host, cluster);
    const bundle = await openBundle(host, cluster);
    const talosconfigPath = join(host.scratch, 'talosconfig');
    await writeFile(talosconfigPath, await talosconfig(host, cluster, bundle), { mode: 0o600 });
    await board.powerOn();

    const told = await settled('maintenance', '127.77.3.201', talosconfigPath);
    const proof = proveNode(cluster, node, told, NONCE);
    assert.equal(proof.by, 'stamp');
    assert.throws(() => proveNode(cluster, { ...node, mac: '00:00:00:00:00:01' }, told), { code: 'E_IDENTITY_MAC' });
    const waiting: Access = { address: proof.address, mode: 'maintenance' };
    assert.equal((await machineStage(host, waiting)).stage, 'maintenance');
    await assert.rejects(version(host, waiting), { code: 'E_TALOS_UNIMPLEMENTED' });

    const path = join(host.scratch, 'cp-1.yaml');
    const config = await machineConfig(host, cluster, node, bundle, { installImage: installImage('v1.11.0', 'ab') });
    await writeFile(path, config, { mode: 0o600 });
    const pin = proof.fingerprint === undefined ? {} : { fingerprint: proof.fingerprint };
    await assert.rejects(applyConfig(host, waiting, path, { fingerprint: `${'A'.repeat(43)}=` }), { code: 'E_TALOS_FINGERPRINT' });
    const broken = join(host.scratch, 'broken.yaml');
    await writeFile(broken, config.replace('type: controlplane', 'type: bogus'), { mode: 0o600 });
    await assert.rejects(applyConfig(host, waiting, broken, { dryRun: true, ...pin }), { code: 'E_TALOS_INVALID_CONFIG' });
    assert.match((await applyConfig(host, waiting, path, { dryRun: true, ...pin })).summary, /does not have a config yet/);
    await applyConfig(host, waiting, path, pin);

    const configured = await settled('configured', node.address, talosconfigPath);
    assert.equal(proveNode(cluster, node, configured).by, 'certificate');
    const access: Access = { address: node.address, mode: 'secure', talosconfigPath };
    assert.equal(await version(host, access), 'v1.11.0');
    assert.equal(await readFileOf(host, access, '/etc/hostname'), 'cp-1\n');
    assert.equal((await applyConfig(host, access, path, { dryRun: true })).changes, false);
    await assert.rejects(applyConfig(host, { address: node.address, mode: 'maintenance' }, path), { code: 'E_TALOS_MAINTENANCE_CLOSED' });

    const look = () => lookThrough(async () => {
      const seen = await observeEtcd(host, 'cp-1', access);
      const decision = bootstrapDecision(['cp-1'], [seen]);
      return decision.kind === 'wait' ? { met: false, seen: decision.reason } : { met: true, value: { decision, seen } };
    });
    const etcd = (name: string) => waitFor({ name, deadlineMs: 30_000, hint: 'a fault of the test', look }, host);
    const before = await etcd('etcd waits for its bootstrap');
    assert.deepEqual(before.decision, { kind: 'bootstrap', node: 'cp-1' });
    await assert.rejects(etcdMembers(host, access, 1_500), { code: 'E_TALOS_HANG' });
    await bootstrapEtcd(host, access);
    const member = await waitFor({
      name: 'etcd runs', deadlineMs: 60_000, hint: 'a fault of the test',
      look: async () => {
        const seen = await observeEtcd(host, 'cp-1', access);
        return seen.asked && seen.member !== undefined ? { met: true, value: seen } : { met: false, seen: JSON.stringify(seen) };
      },
    }, host);
    assert.deepEqual(bootstrapDecision(['cp-1'], [member]), { kind: 'done', node: 'cp-1' });
    assert.equal(member.data, 'present');
    assert.deepEqual((await etcdMembers(host, access)).map(({ id, hostname, learner }) => ({ id, hostname, learner })), [{ id: member.member, hostname: 'cp-1', learner: false }]);
    assert.equal((await etcdStatus(host, access))?.leader, member.member);
    await assert.rejects(bootstrapEtcd(host, access), { code: 'E_TALOS_ALREADY' });
    assert.equal(await removeMember(host, access, '00000000deadbeef'), 'gone');
    await assert.rejects(removeMember(host, access, member.member!), { code: 'E_TALOS_ETCD_REFUSED' });
    const alone = await lookAtMember(host, node, access);
    assert.ok(alone.asked && alone.status && alone.members && alone.peers);
    assert.match((departureDecision([alone], { node: 'cp-1' }, host.clock.now()) as { reason: string }).reason, /the only control plane/);

    const kubeconfigPath = join(host.scratch, 'kubeconfig');
    await kubeconfig(host, access, kubeconfigPath);
    const read = parse(await readFile(kubeconfigPath, 'utf8'));
    assert.equal(read.clusters[0].cluster.server, cluster.network.endpoint);
    assert.equal(host.mask.hide(read.users[0].user['client-key-data']), '•••');
  } finally {
    await board.powerOff();
    host.remove();
    maker.remove();
  }
});
