import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { conclude } from '../../bootstrap/rebuild/diagnose-conclude.ts';
import { look } from '../../bootstrap/rebuild/diagnose-look.ts';
import { diagnose } from '../../bootstrap/rebuild/diagnose.ts';
import { createBoard } from '../../lab/pi/board.ts';
import type { Board } from '../../lab/pi/types.ts';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { updateLock } from '../../lib/lock-file.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { diagnosisData, diagnosisText } from '../../scripts/terminal/diagnosis.ts';
import { makeBundle } from '../../talos/secrets.ts';
import { encodeStamp, STAMP_KEY } from '../../talos/stamp.ts';
import { applyConfig } from '../../talos/talosctl-config.ts';
import { memoryCards, partsWithoutKubernetes } from '../lab/pi/memory-card.ts';
import { until } from '../lab/pi/boards.ts';
import { ageKey } from '../support/age.ts';
import { testHost, type TestHost } from '../support/host.ts';
import { exampleCluster, exampleNode } from '../talos/example.ts';

// Two virtual boards and the real talosctl: the control plane has its config, the worker's old board waits for one at another address. kubectl is canned.

const cp = { ...exampleNode('cp-1', 'control plane', 11), address: '127.103.1.11' };
const worker = { ...exampleNode('worker-1', 'worker', 21, { rack: 'one' }), address: '127.103.1.21', port: 3 };
const OLD_AT = '127.103.1.41';
let maker: TestHost;
let host: TestHost;
let cluster: Cluster;
const boards: Board[] = [];

before(async () => {
  maker = testHost();
  const [mine, other] = [await ageKey(maker, 'mine'), await ageKey(maker, 'other')];
  host = testHost({ SOPS_AGE_KEY_FILE: mine.file });
  const folder = join(maker.scratch, 'gandalf');
  await mkdir(folder);
  cluster = exampleCluster(folder, {
    nodes: [cp, worker],
    network: { subnet: '127.103.1.0/26', gateway: '127.103.1.1', dns: [], ntp: [], endpoint: `https://${worker.address}:6443`, maintenance: 'dhcp' },
    secrets: { recipients: [{ name: 'cluster', role: 'cluster', key: mine.recipient }, { name: 'owner', role: 'owner', key: other.recipient }] },
    // Nobody listens at the switch's address: to be told, not thrown.
    power: { address: '127.103.1.2', sshPort: 22, user: 'admin', hostKey: 'SHA256:x', driver: 'unifi' },
  });
  await makeBundle(host, cluster);
  const parts = { ...partsWithoutKubernetes(maker.scratch), card: memoryCards(maker.scratch) };
  const place = [[cp, '127.103.1.40', 'cc'], [worker, OLD_AT, 'bb']] as const;
  for (const [node, dhcpAddress, nonce] of place) {
    await parts.card.writeMeta(node.name, new Map([[STAMP_KEY, encodeStamp({ cluster: 'gandalf', node: node.name, nonce })]]));
    boards.push(createBoard({ mac: node.mac, dhcpAddress, cardPath: node.name, parts, folder: join(maker.scratch, `board-${node.name}`), bootMs: 20 }));
  }
  await Promise.all(boards.map((board) => board.powerOn()));
  await until(() => boards.every((board) => board.state() === 'maintenance'), 'both boards in maintenance mode');
  await applyConfig(host, { address: '127.103.1.40', mode: 'maintenance' }, await facts().machineConfig(host, cp));
  await until(() => boards[0]!.address() === cp.address, 'the control plane at its address');
});
after(async () => {
  for (const board of boards) await board.powerOff();
  host.remove();
  maker.remove();
});

function facts(): Facts {
  return { ...createFacts(cluster, host.scratch), credentials: async () => ({ switchPassword: 'canary-of-the-switch', chap: {} }) };
}

const OBJECTS = [
  { kind: 'Node', metadata: { name: 'cp-1' }, status: { conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }] } },
  {
    kind: 'Node', spec: { unschedulable: true, taints: [{ key: 'dedicated', value: 'gpu', effect: 'NoSchedule' }, { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }, { key: 'owned', effect: 'NoSchedule' }] },
    metadata: {
      name: 'worker-1', annotations: { 'talos.dev/owned-labels': '["by-talos"]', 'talos.dev/owned-taints': '["owned"]' },
      labels: { 'kubernetes.io/hostname': 'worker-1', 'beta.kubernetes.io/arch': 'arm64', 'extensions.talos.dev/iscsi-tools': 'v0.2.0', rack: 'one', 'by-talos': '', 'node-role.kubernetes.io/worker': '', disk: 'fast' },
    },
    status: { conditions: [{ type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown', lastHeartbeatTime: '2026-11-22T15:00:00Z' }] },
  },
  { kind: 'Lease', metadata: { name: 'worker-1', namespace: 'kube-node-lease' }, spec: { renewTime: '2026-11-22T15:04:00.000000Z' } },
  { kind: 'Lease', metadata: { name: 'worker-1', namespace: 'elsewhere' }, spec: { renewTime: '2026-11-22T15:09:00.000000Z' } },
  { kind: 'PersistentVolume', metadata: { name: 'local-a' }, spec: { local: { path: '/var/x' }, nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['worker-1'] }] }] } } } },
  { kind: 'PersistentVolume', metadata: { name: 'local-b' }, spec: { local: { path: '/var/x' }, nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ values: ['worker-10'] }] }] } } } },
  { kind: 'PersistentVolume', metadata: { name: 'lun' }, spec: { iscsi: {} } },
  { kind: 'VolumeAttachment', metadata: { name: 'csi-1' }, spec: { nodeName: 'worker-1', source: { persistentVolumeName: 'lun' } }, status: { attached: true } },
  { kind: 'VolumeAttachment', metadata: { name: 'csi-2' }, spec: { nodeName: 'cp-1', source: { persistentVolumeName: 'x' } }, status: { attached: true } },
];
const pod = (name: string, owner: string | undefined, volumes: object[] = [], phase = 'Running') =>
  ({ kind: 'Pod', metadata: { name, namespace: 'apps', ...(owner === undefined ? {} : { ownerReferences: [{ kind: owner, controller: true }] }) }, spec: { volumes }, status: { phase } });
const PODS = [pod('web', 'ReplicaSet', [{ emptyDir: {} }, { persistentVolumeClaim: { claimName: 'data' } }]), pod('agent', 'DaemonSet'), pod('alone', undefined), pod('job', 'Job', [], 'Succeeded')];

/** The host with canned answers of kubectl: only the control plane's own API server answers, the endpoint does not. */
function answering(asked: string[]): Host {
  return {
    ...host,
    run: async (command) => {
      if (command.program !== 'kubectl') return host.run(command);
      const server = /server: (\S+)/.exec(await readFile(command.env!['KUBECONFIG']!, 'utf8'))![1]!;
      asked.push(`${server} ${command.args[1]}`);
      if (!server.includes(cp.address)) return { exitCode: 1, stdout: '', stderr: `The connection to the server ${server} was refused\n` };
      return { exitCode: 0, stdout: command.args[1] === '--raw' ? 'ok' : JSON.stringify({ kind: 'List', items: command.args[1] === 'pods' ? PODS : OBJECTS }), stderr: '' };
    },
  };
}

test('a worker whose old board waits elsewhere: everything is looked at, nothing is changed, what can’t be told says why', { timeout: 90_000 }, async () => {
  await updateLock(facts().lockFile, { cards: { 'worker-1': 'aa' } });
  const asked: string[] = [];
  const found = await diagnose(answering(asked), facts(), worker, async () => { throw problem('E_PLACE', 'the folder is gone', 'none'); });
  assert.deepEqual(found.open, { known: true, value: false });
  assert.ok(!found.power.known && /127\.103\.1\.2/.test(found.power.why), JSON.stringify(found.power));
  assert.deepEqual(found.boards, { known: true, value: [{ kind: 'maintenance', address: OLD_AT, card: 'older', mac: true }] });
  assert.deepEqual(found.kubernetes, { known: true, value: {
    server: `https://${cp.address}:6443`, local: ['local-a'], ready: { 'cp-1': true, 'worker-1': false }, attachments: [{ name: 'csi-1', volume: 'lun', attached: true }],
    node: { ready: false, reason: 'NodeStatusUnknown', heartbeat: Date.parse('2026-11-22T15:04:00Z'), cordoned: true, labels: { 'node-role.kubernetes.io/worker': '', disk: 'fast' }, taints: ['dedicated=gpu:NoSchedule'] },
    pods: [
      { name: 'apps/web', owner: 'ReplicaSet', bound: false, scratch: true, claims: ['data'] }, { name: 'apps/agent', owner: 'DaemonSet', bound: true, scratch: false, claims: [] },
      { name: 'apps/alone', bound: false, scratch: false, claims: [] },
    ],
  } });
  assert.deepEqual(found.etcd.map(({ node, asked }) => [node, asked]), [['cp-1', true]]);
  assert.deepEqual([found.others, found.backups], [[{ node: 'cp-1', answers: true, ready: true }], { known: false, why: 'the folder is gone' }]);
  assert.ok(asked[0]!.startsWith(cluster.network.endpoint), 'the endpoint is tried first');
  const conclusion = conclude(found);
  assert.deepEqual([conclusion.state, conclusion.way, conclusion.refuse], ['half', 'worker', undefined]);
  assert.match(conclusion.cause, /an older card of it runs at 127\.103\.1\.41/);
  assert.ok(![diagnosisText(found, conclusion), JSON.stringify(diagnosisData(found, conclusion))].join().includes('canary'));
  assert.match(diagnosisText(found, conclusion), /\? PoE .*\n {2}✗ port 50000 .*\n {2}✗ board +127\.103\.1\.41: waits for a config, from an older card of it\n/);
});

test('the only control plane, when nobody answers any more', { timeout: 90_000 }, async () => {
  for (const board of boards) await board.powerOff();
  const asked: string[] = [];
  const found = await diagnose(answering(asked), facts(), cp, async () => []);
  assert.deepEqual([found.open, found.boards, found.kubernetes], [{ known: true, value: false }, { known: true, value: [] }, { known: false, why: 'no control plane answers' }]);
  assert.deepEqual(found.etcd.map((each) => !each.asked && each.seen), ['nothing answers on port 50000']);
  assert.ok(!found.power.known && /no port at the switch/.test(found.power.why));
  assert.deepEqual([conclude(found).state, conclude(found).way, conclude(found).refuse?.code, asked], ['dead', 'only', 'E_REBUILD_ALL_SILENT', []], 'it may as well be this computer that is cut off');
});

test('a look that never ends is left at its deadline; a fault of ours and an abort are thrown', async () => {
  assert.deepEqual(await look(host, 20, () => new Promise(() => {})), { known: false, why: 'no answer within 0.02 s' });
  assert.deepEqual(await look(host, 60_000, async () => 7), { known: true, value: 7 });
  await assert.rejects(look(host, 60_000, async () => { throw new TypeError('ours'); }), TypeError);
  const own = testHost();
  own.abort.abort();
  await assert.rejects(look(own, 60_000, async () => { throw problem('E_ABORTED', 'interrupted', 'none'); }), { name: 'AbortError' });
  own.remove();
});
