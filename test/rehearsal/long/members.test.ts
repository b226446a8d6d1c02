import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createBoard } from '../../../lab/pi/board.ts';
import { createBoardParts } from '../../../lab/pi/parts.ts';
import type { Board } from '../../../lab/pi/types.ts';
import type { ApiServer } from '../../../lab/kubernetes/api-server.ts';
import { waitFor } from '../../../lib/conditions.ts';
import type { Cluster } from '../../../nodes/cluster.ts';
import { installImage, machineConfig, talosconfig } from '../../../talos/config.ts';
import { observeEtcd } from '../../../talos/etcd.ts';
import { departureDecision, removalDecision, type ControlPlaneLook, type Departing } from '../../../talos/quorum.ts';
import { lookAtMember } from '../../../talos/quorum-look.ts';
import { makeBundle, openBundle } from '../../../talos/secrets.ts';
import { encodeStamp, STAMP_KEY } from '../../../talos/stamp.ts';
import { applyConfig } from '../../../talos/talosctl-config.ts';
import { bootstrapEtcd, removeMember } from '../../../talos/talosctl-etcd.ts';
import type { Access } from '../../../talos/talosctl.ts';
import { memoryCards } from '../../lab/pi/memory-card.ts';
import { until } from '../../lab/pi/boards.ts';
import { ageKey } from '../../support/age.ts';
import { testHost, toolPrograms, type TestHost } from '../../support/host.ts';
import { exampleCluster, exampleNode } from '../../talos/example.ts';

// Three boards with real etcd and the real talosctl, without Kubernetes: what members say of each other when one dies.

const nodes = [1, 2, 3].map((index) => ({ ...exampleNode(`cp-${index}`, 'control plane', 10 + index), address: `127.103.2.1${index}` }));
let maker: TestHost;
let host: TestHost;
let cluster: Cluster;
let talosconfigPath: string;
const boards: Board[] = [];
const absentApiServer: ApiServer = { pid: () => undefined, url: '', ready: new Promise(() => {}), client: undefined as never, log: '', stop: async () => {}, kill: async () => {} };

const access = (address: string): Access => ({ address, mode: 'secure', talosconfigPath });
const looks = (): Promise<ControlPlaneLook[]> => Promise.all(nodes.map((node) => lookAtMember(host, node, access(node.address))));
const removal = async (departing: Departing) => removalDecision(await looks(), departing, host.clock.now());
const decided = (departing: Departing, kind: 'remove' | 'gone') => waitFor({
  name: `the removal of ${departing.node}: ${kind}`, deadlineMs: 60_000, everyMs: 500, hint: 'a fault of the test',
  look: async () => { const seen = await removal(departing); return seen.kind === kind ? { met: true, value: seen } : { met: false, seen: JSON.stringify(seen) }; },
}, host);

before(async () => {
  maker = testHost();
  const [mine, other] = [await ageKey(maker, 'mine'), await ageKey(maker, 'other')];
  host = testHost({ SOPS_AGE_KEY_FILE: mine.file });
  const folder = join(maker.scratch, 'gandalf');
  await mkdir(folder);
  cluster = exampleCluster(folder, {
    nodes, network: { subnet: '127.103.2.0/24', gateway: '127.103.2.1', dns: [], ntp: [], endpoint: 'https://127.103.2.11:6443', maintenance: 'dhcp' },
    secrets: { recipients: [{ name: 'cluster', role: 'cluster', key: mine.recipient }, { name: 'owner', role: 'owner', key: other.recipient }] },
  });
  await makeBundle(host, cluster);
  const bundle = await openBundle(host, cluster);
  talosconfigPath = join(host.scratch, 'talosconfig');
  await writeFile(talosconfigPath, await talosconfig(host, cluster, bundle), { mode: 0o600 });
  const parts = { ...createBoardParts(toolPrograms()), card: memoryCards(maker.scratch), startApiServer: async () => absentApiServer };
  for (const [index, node] of nodes.entries()) {
    await parts.card.writeMeta(node.name, new Map([[STAMP_KEY, encodeStamp({ cluster: 'gandalf', node: node.name, nonce: 'aa' })]]));
    const dhcpAddress = `127.103.2.10${index}`;
    const board = createBoard({ mac: node.mac, dhcpAddress, cardPath: node.name, parts, folder: join(maker.scratch, node.name), bootMs: 20 });
    boards.push(board);
    await board.powerOn();
    await until(() => board.state() === 'maintenance', `${node.name} in maintenance mode`);
    const path = join(host.scratch, `${node.name}.yaml`);
    await writeFile(path, await machineConfig(host, cluster, node, bundle, { installImage: installImage('v1.11.0', 'ab') }), { mode: 0o600 });
    await applyConfig(host, { address: dhcpAddress, mode: 'maintenance' }, path);
  }
  await until(async () => { const seen = await observeEtcd(host, 'cp-1', access(nodes[0]!.address)); return seen.asked && seen.phase === 'preparing'; }, 'etcd of cp-1 waits');
  await bootstrapEtcd(host, access(nodes[0]!.address));
  await waitFor({
    name: 'all three vote', deadlineMs: 120_000, hint: 'a fault of the test',
    look: async () => { const all = await looks(); return all.every((each) => each.asked && each.status?.learner === false && each.members?.length === 3 && each.members.every((member) => !member.learner)) ? { met: true, value: true } : { met: false, seen: 'not yet' }; },
  }, host);
});
after(async () => {
  for (const board of boards) await board.powerOff();
  host.remove();
  maker.remove();
});

test('live members are heard by each other and never removed; a dead one is, once nobody hears it; the last two keep each other', { timeout: 240_000 }, async () => {
  const all = await looks();
  const id = all.map((each) => (each.asked ? each.member! : ''));
  for (const [index, each] of all.entries()) assert.deepEqual(each.asked && [...each.peers ?? []].toSorted(), id.filter((_, other) => other !== index).map((peer) => [peer, 'active']).toSorted());
  for (const node of nodes) {
    const decision = removalDecision(all, { node: node.name, fenced: 'switch' }, host.clock.now());
    assert.ok(decision.kind === 'refuse' && /a live member is never removed/.test(decision.reason));
    assert.equal(departureDecision(all, { node: node.name }, host.clock.now()).kind, 'stands');
  }
  // Cut off from the desk alone: the two others still hear it, whatever a person says.
  const cut = all.map((each): ControlPlaneLook => (each.node === 'cp-3' ? { node: each.node, address: each.address, at: each.at, asked: false, seen: 'no route to host' } : each));
  for (const fenced of ['switch', 'person'] as const) assert.match((removalDecision(cut, { node: 'cp-3', fenced }, host.clock.now()) as { reason: string }).reason, /still has a connection to the etcd of cp-3/);

  await boards[2]!.powerOff();
  const decision = await decided({ node: 'cp-3', fenced: 'person' }, 'remove');
  assert.ok(decision.kind === 'remove' && decision.id === id[2] && decision.on !== 'cp-3');
  assert.equal(await removeMember(host, access(nodes.find((node) => node.name === decision.on)!.address), decision.id), 'removed');
  assert.equal(await removeMember(host, access(nodes[0]!.address), decision.id), 'gone');
  await decided({ node: 'cp-3', member: id[2]!, fenced: 'switch' }, 'gone');

  // Of two members none can be spared.
  assert.match((departureDecision(await looks(), { node: 'cp-2' }, host.clock.now()) as { reason: string }).reason, /of 2 voting members of etcd 1 other is healthy, and 2 would be needed/);
  await boards[1]!.powerOff();
  const alone = await removal({ node: 'cp-2', fenced: 'switch' });
  assert.equal(alone.kind, 'refuse', JSON.stringify(alone));
});
