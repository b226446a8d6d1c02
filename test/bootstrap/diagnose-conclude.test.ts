import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conclude } from '../../bootstrap/rebuild/diagnose-conclude.ts';
import type { BoardSight, Diagnosis, KubernetesSight, NodeSight, Seen } from '../../bootstrap/rebuild/diagnosis.ts';
import type { RebuildRecord } from '../../lib/lock-file.ts';
import { diagnosisData, diagnosisText } from '../../scripts/terminal/diagnosis.ts';
import type { ControlPlaneLook } from '../../talos/quorum.ts';
import { exampleNode } from '../talos/example.ts';

const AT = Date.parse('2026-11-22T16:00:00Z');
const MINUTE = 60_000;
const is = <T>(value: T): Seen<T> => ({ known: true, value });
const not = (why: string): Seen<never> => ({ known: false, why });

const worker = { ...exampleNode('worker-1', 'worker', 21), port: 3 };
const kubeNode: NodeSight = { ready: true, reason: 'KubeletReady', heartbeat: AT - 3_000, cordoned: false, labels: { 'disk': 'fast' }, taints: [] };
const kube: KubernetesSight = {
  server: 'https://192.168.77.10:6443', node: kubeNode, local: [], ready: { 'worker-1': true },
  attachments: [{ name: 'csi-1', volume: 'gandalf-data', attached: true }],
  pods: [{ name: 'apps/web-1', owner: 'ReplicaSet', bound: false, scratch: true, claims: ['data'] }, { name: 'kube-system/proxy', owner: 'DaemonSet', bound: true, scratch: false, claims: [] }],
};
const home: BoardSight = { kind: 'configured', address: worker.address, card: 'current', mac: true };

/** A healthy worker's diagnosis, with a change. */
function of(change: Partial<Diagnosis> = {}): Diagnosis {
  return {
    cluster: 'gandalf', node: worker, at: AT, controlPlanes: ['cp-1'], power: is('on'), open: is(true), boards: is([home]), kubernetes: is(kube), etcd: members(1),
    nas: true, sessions: is([{ target: 'iqn.2000-01.com.synology:data', initiator: 'iqn.2017-11.dev.talos:ab' }]), others: [{ node: 'cp-1', answers: true, ready: true }], backups: is([]), ...change,
  };
}

/** So many control planes; those of the numbers told are dead. */
function members(count: number, dead: readonly number[] = []): ControlPlaneLook[] {
  const id = (index: number): string => `${index + 1}`.repeat(16);
  const all = Array.from({ length: count }, (_, index) => ({ id: id(index), hostname: `cp-${index + 1}`, peerUrls: [`https://192.168.77.${11 + index}:2380`], clientUrls: [], learner: false }));
  const quorum = count - dead.length > count / 2;
  const leader = Array.from({ length: count }, (_, index) => index).find((index) => !dead.includes(index + 1)) ?? 0;
  return all.map((member, index): ControlPlaneLook => {
    const whose = { node: member.hostname, address: `192.168.77.${11 + index}`, at: AT };
    if (dead.includes(index + 1)) return { ...whose, asked: false, seen: 'nothing answers on port 50000' };
    const status = { member: member.id, leader: quorum ? id(leader) : '0000000000000000', raftIndex: 70n, raftTerm: 2n, learner: false, protocol: '3.6.4', dbSize: '1 MB', errors: quorum ? '' : 'etcdserver: no leader' };
    return { ...whose, asked: true, phase: 'running', detail: 'etcd is Running', member: member.id, status, ...(quorum ? { members: all } : {}) };
  });
}

/** A control plane's diagnosis: the first of so many; silent where its own number is among the dead. */
function controlPlane(count: number, dead: readonly number[], change: Partial<Diagnosis> = {}): Diagnosis {
  const node = { ...exampleNode('cp-1', 'control plane', 11), port: 1 };
  const silent = dead.includes(1);
  const gone: Partial<Diagnosis> = silent ? { open: is(false), boards: is([]), kubernetes: count === 1 ? not('no control plane answers') : is({ ...kube, node: { ...kubeNode, ready: false, reason: 'NodeStatusUnknown', heartbeat: AT - 12 * MINUTE } }) } : {};
  return of({ node, controlPlanes: Array.from({ length: count }, (_, index) => `cp-${index + 1}`), boards: is([{ ...home, address: node.address }]), etcd: members(count, dead), ...gone, ...change });
}

const dead: Partial<Diagnosis> = { open: is(false), boards: is([]), kubernetes: is({ ...kube, node: { ...kubeNode, ready: false, reason: 'NodeStatusUnknown', heartbeat: AT - 12 * MINUTE } }) };
const record = (node: string, change: Partial<RebuildRecord> = {}): RebuildRecord => ({ node, way: 'worker', since: '2026-11-22T15:50:00Z', nonce: 'aa', ...change });
const backups = is([{ file: 'gandalf-1.firstlight', at: '2026-11-20T16:00:00Z' }, { file: 'gandalf-2.firstlight', at: '2026-11-22T13:00:00Z' }]);

const TABLE: readonly [string, Diagnosis, string, RegExp, string?][] = [
  ['a worker that is well', of(), 'healthy worker', /nothing/, 'E_REBUILD_HEALTHY'],
  ['a silent worker with power', of(dead), 'dead worker', /the card, the board or its cable; which one can’t be told/],
  ['a silent worker whose port is off', of({ ...dead, power: is('off') }), 'dead worker', /port 3 of the switch gives no power: that alone/],
  ['a silent worker without a switch', of({ ...dead, power: not('cluster.yaml declares no switch') }), 'dead worker', /whether it has power is not known \(cluster\.yaml declares no switch\)/],
  ['a worker that died seconds ago', of({ ...dead, kubernetes: is(kube) }), 'half worker', /the card, the board/],
  ['a worker that is cut off from here alone', of({ ...dead, kubernetes: is({ ...kube, node: { ...kubeNode, heartbeat: AT - 8_000 } }) }), 'half worker', /has power and is silent/],
  ['a worker whose kubelet is gone', of({ kubernetes: is({ ...kube, node: { ...kubeNode, ready: false, reason: 'NodeStatusUnknown' } }) }), 'half worker', /board and card live; see its services/],
  ['a worker whose card was wiped', of({ ...dead, boards: is([{ kind: 'maintenance', address: '192.168.77.99', card: 'none', mac: true }]) }), 'half worker', /its board lives; the card in it/],
  ['an old board that is back', of({ boards: is([{ ...home, card: 'older' }]) }), 'half worker', /an older card of it runs at 192\.168\.77\.21/],
  ['a worker when the API is gone', of({ ...dead, kubernetes: not('no control plane answers') }), 'dead worker', /silent/, 'E_REBUILD_NO_API'],
  ['a worker while another is rebuilt', of({ ...dead, rebuild: record('worker-2') }), 'dead worker', /silent/, 'E_REBUILD_OTHER'],
  ['a worker whose rebuild is under way', of({ rebuild: record('worker-1') }), 'healthy worker', /nothing/],
  ['another node at its address', of({ ...dead, boards: is([{ kind: 'other', address: worker.address, told: 'it is worker-2 of this cluster', node: 'worker-2' }]) }), 'half worker', /another machine/, 'E_REBUILD_ADDRESS'],
  ['a machine that says nothing at its address', of({ ...dead, open: is(true), boards: not('no answer within 25 s') }), 'half worker', /something answers on port 50000/],
  ['a desk without a network', of({ ...dead, open: not('connecting failed here with ENETUNREACH'), boards: not('connecting failed here with ENETUNREACH') }), 'dead worker', /silent/, 'E_REBUILD_BLIND'],
  ['one dead of three control planes', controlPlane(3, [1]), 'dead member', /silent/],
  ['a control plane of three that is well', controlPlane(3, []), 'healthy member', /nothing/, 'E_REBUILD_HEALTHY'],
  ['a control plane of three that is well, but another is dead', controlPlane(3, [2]), 'healthy member', /nothing/, 'E_REBUILD_QUORUM'],
  ['two dead of three', controlPlane(3, [1, 2]), 'dead member', /silent/, 'E_REBUILD_QUORUM'],
  ['two dead of five', controlPlane(5, [1, 2]), 'dead member', /silent/, 'E_REBUILD_QUORUM'],
  ['one dead of two', controlPlane(2, [1]), 'dead member', /silent/, 'E_REBUILD_QUORUM'],
  ['one dead of three, that two still hear', controlPlane(3, [1], { etcd: members(3, [1]).map((look) => (look.asked ? { ...look, peers: new Map([['1111111111111111', 'active' as const]]) } : look)) }), 'half member', /silent/],
  ['a control plane whose etcd has no leader', controlPlane(1, [], { etcd: members(1).map((look) => ({ ...look, status: { ...(look as { status: object }).status, errors: 'etcdserver: no leader' } }) as ControlPlaneLook) }), 'half only', /board and card live/],
  ['the only control plane, dead', controlPlane(1, [1]), 'dead only', /silent/],
  ['the only control plane, dead, its rebuild under way', controlPlane(1, [1], { rebuild: record('cp-1', { way: 'only' }) }), 'dead only', /silent/],
  ['the only control plane, silent as every other node is', controlPlane(1, [1], { others: [{ node: 'worker-1', answers: false }, { node: 'worker-2', answers: false }] }), 'dead only', /silent/, 'E_REBUILD_ALL_SILENT'],
  ['the only control plane of a cluster of one', controlPlane(1, [1], { others: [] }), 'dead only', /silent/],
  ['the only control plane, well', controlPlane(1, []), 'healthy only', /nothing/, 'E_REBUILD_HEALTHY'],
];

for (const [what, diagnosis, expected, cause, code] of TABLE) {
  test(`${what}: ${expected}${code === undefined ? '' : `, refused with ${code}`}`, () => {
    const conclusion = conclude(diagnosis);
    assert.equal(`${conclusion.state} ${conclusion.way}`, expected);
    assert.match(conclusion.cause, cause);
    assert.equal(conclusion.refuse?.code, code, conclusion.refuse?.reason);
    assert.equal(conclusion.refuse?.forcible ?? false, ['E_REBUILD_HEALTHY', 'E_REBUILD_ALL_SILENT'].includes(code ?? ''));
    const text = diagnosisText(diagnosis, conclusion);
    assert.equal(text.split('\n').some((line) => line.endsWith(' ') || line.includes('undefined')), false, text);
    if (code !== undefined) assert.match(text, new RegExp(`Refused \\(${code}\\): `));
    assert.ok(JSON.stringify(diagnosisData(diagnosis, conclusion)).length > 100);
  });
}

test('what is lost, what will be done and what can’t come back are told by what was seen', () => {
  const local = { ...kube, local: ['scratch-pv'], pods: [...kube.pods, { name: 'apps/alone', bound: false, scratch: false, claims: [] }] };
  const half = conclude(of({ kubernetes: is({ ...local, node: { ...kubeNode, ready: false } }) }));
  assert.match(half.lost.join('\n'), /^1 pod that ran there and is started elsewhere, with the claim data\nthe attachment of gandalf-data; .*not touched\n.*another iSCSI name than iqn\.2017-11\.dev\.talos:ab$/s);
  assert.match(half.never.join('\n'), /1 pod that nothing makes anew: apps\/alone\n.*emptyDir: apps\/web-1\n.*local volumes on its card: scratch-pv/);
  assert.match(half.todo.join('\n'), /^cordon it, and drain.*\ncut the power of port 3.*\nwait until the NAS.*\nhave Kubernetes let go of its pods and 1 volume, delete its Node\n.*put back what was set by hand: disk=fast/s);
  assert.match(conclude(of({ ...dead, power: not('no switch') })).todo[1]!, /you confirm that its old board is off \(no switch\)/);

  const member = conclude(controlPlane(3, [1]));
  assert.match(member.todo.join('\n'), /cut the power of port 1.*\nremove its etcd member 1{16} on a healthy control plane\n.*\nit joins etcd as a learner/s);

  const [without, withSome, alive] = [conclude(controlPlane(1, [1])), conclude(controlPlane(1, [1], { backups })), conclude(controlPlane(1, [], { backups, open: is(true), kubernetes: not('it is down') }))];
  assert.match(without.never[0]!, /everything that only Kubernetes knew: there is no backup;/);
  assert.match(without.todo.join('\n'), /begin an empty etcd with the same secrets/);
  assert.match(withSome.never[0]!, /since the newest backup, 3 h ago \(2026-11-22T13:00:00Z\)/);
  assert.match(withSome.todo.join('\n'), /restore etcd from the newest backup that proves good \(gandalf-2\.firstlight, 3 h ago\)/);
  assert.match(conclude(controlPlane(1, [], { backups, boards: is([{ ...home, card: 'older' }]), kubernetes: not('it is down') })).todo.join('\n'), /restore etcd from the newest backup/, 'an old board is no source');
  assert.ok(alive.todo.includes('take a copy of its etcd while its board still answers') && alive.todo.includes('restore etcd from that copy'));
  assert.match(conclude(controlPlane(1, [1], { backups: not('the NAS does not answer') })).never[0]!, /no backup that could be looked at \(the NAS does not answer\)/);
});

test('the text for a person', () => {
  const diagnosis = of(dead);
  assert.equal(diagnosisText(diagnosis, conclude(diagnosis)), [
    'worker-1 of gandalf (worker, 192.168.77.21): dead', '',
    '  ✔ PoE          port 3 gives power',
    '  ✗ port 50000   nothing answers at 192.168.77.21',
    '  ✗ board        no machine of the subnet says that it is this node',
    '  ✔ API server   answers at https://192.168.77.10:6443',
    '  ✗ Node         not Ready (NodeStatusUnknown), last heard 12 min ago',
    '  · pods         2 on it; attached: gandalf-data',
    '  ✔ etcd cp-1    member 1111111111111111, the leader; it lists 1',
    '  · NAS          a session from 192.168.77.21: iqn.2000-01.com.synology:data',
    '  ✔ other nodes  cp-1 answers', '',
    'Broken: it has power and is silent: the card, the board or its cable; which one can’t be told from here (try another card first: it is cheaper).', '',
    'Lost with it:',
    '  - 1 pod that ran there and is started elsewhere, with the claim data',
    '  - the attachment of gandalf-data; the data on the NAS is not touched',
    '  - the identity of its card: the new one has another machine id and another iSCSI name than iqn.2017-11.dev.talos:ab', '',
    'What will be done:',
    '   1. cordon it',
    '   2. cut the power of port 3 at the switch and read it back',
    '   3. wait until the NAS holds no session of it',
    '   4. have Kubernetes let go of its pods and 1 volume, delete its Node',
    '   5. write a new card for it, put it into the board, power on; the board proves which card it booted',
    '   6. apply its config',
    '   7. wait until it is Ready, and put back what was set by hand: disk=fast',
    '   8. let its new initiator in at the NAS, prove the LUNs, and see the volumes attached again', '',
    'What does not come back:',
    '  - what 1 pod had in emptyDir: apps/web-1',
    '  - logs and whatever else lay on its card alone',
  ].join('\n'));
});
