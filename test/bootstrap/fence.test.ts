import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import { fenceStep, stillFenced } from '../../bootstrap/steps/fence.ts';
import { createBoard } from '../../lab/pi/board.ts';
import type { Board, BoardParts } from '../../lab/pi/types.ts';
import { createHostKey, startSwitch, type LabSwitch } from '../../lab/switch.ts';
import type { Host, Question } from '../../lib/host.ts';
import type { Cluster, ClusterNode } from '../../nodes/cluster.ts';
import { setPower } from '../../nodes/power.ts';
import { networkValue } from '../../talos/meta-network.ts';
import { cardKeys } from '../../talos/stamp.ts';
import { memoryCards, partsWithoutKubernetes } from '../lab/pi/memory-card.ts';
import { until } from '../lab/pi/boards.ts';
import { testHost, type TestHost } from '../support/host.ts';
import { exampleCluster, exampleNode } from '../talos/example.ts';

// A virtual board behind the lab's PoE switch, and the real talosctl to ask it whose card it runs.

const node: ClusterNode = { ...exampleNode('worker-1', 'worker', 21), address: '127.101.1.3', port: 3 };
let own: TestHost;
let host: Host;
let cluster: Cluster;
let board: Board;
let parts: BoardParts;
let power: LabSwitch;
let answer: string;
const asked: Question[] = [];

before(async () => {
  own = testHost();
  // Waits are long, and nothing here takes time: each sleep lets five seconds pass.
  let passed = 0;
  host = {
    ...own, ask: async (question) => (asked.push(question), answer),
    clock: { now: () => Date.now() + passed, sleep: async (_ms, signal) => { passed += 5_000; await own.clock.sleep(20, signal); } },
  };
  parts = { ...partsWithoutKubernetes(own.scratch), card: memoryCards(own.scratch) };
  board = createBoard({ mac: node.mac, dhcpAddress: '127.101.1.4', cardPath: 'card', parts, folder: join(own.scratch, 'board'), bootMs: 20 });
  power = await startSwitch({
    address: '127.101.1.2', port: 0, user: 'admin', password: 'canary-switch', hostKey: createHostKey(), ports: 4,
    onPower: (port, state) => (port !== 3 ? undefined : state === 'on' ? board.powerOn() : board.powerOff()),
  });
  cluster = exampleCluster(own.scratch, {
    nodes: [node], network: { subnet: '127.101.1.0/29', gateway: '127.101.1.1', dns: [], ntp: [], endpoint: 'https://127.101.1.3:6443', maintenance: 'static' },
    power: { address: '127.101.1.2', sshPort: power.port, user: 'admin', hostKey: power.fingerprint, driver: 'unifi' },
  });
});
after(async () => {
  await power.close();
  await board.powerOff();
  own.remove();
});
beforeEach(() => {
  asked.length = 0;
  answer = node.name;
});

function facts(of: Cluster = cluster, nonce = 'bb'): Facts {
  const made: Facts = { ...createFacts(of, own.scratch), talosconfig: async () => '/nowhere', credentials: async () => ({ switchPassword: 'canary-switch', chap: {} }) };
  made.nonces.set(node.name, nonce);
  return made;
}

async function bootedWith(nonce: string): Promise<void> {
  await board.powerOff();
  await parts.card.writeMeta('card', cardKeys({ cluster: 'gandalf', node: node.name, nonce }, { version: '1.11.0', schematic: '', rawSha256: 'cd' }, networkValue(cluster, node)));
  await throughSwitch('on');
  await until(() => board.state() === 'maintenance', 'the board in maintenance mode');
}

/** Somebody presses the button at the switch. */
async function throughSwitch(state: 'on' | 'off'): Promise<void> {
  await setPower(host, cluster.power!, 'canary-switch', 3, state);
}

test('the old board’s power is cut and read back; when it comes back the fence is broken; the new card needs none', { timeout: 60_000 }, async () => {
  await bootedWith('aa');
  const known = facts();
  const { steps } = await runSteps([fenceStep(known, node, { needs: [] })], host);
  assert.deepEqual([steps[0]?.end, power.state(3), board.state()], ['done', 'off', 'off']);
  assert.deepEqual(known.fences.get(node.name), { by: 'switch', text: 'port 3 of the switch 127.101.1.2 gives no power, read back' });
  assert.equal(asked.length, 0);
  await stillFenced(known, host, node);

  await throughSwitch('on');
  await assert.rejects(stillFenced(known, host, node), { code: 'E_FENCE_BROKEN', message: /port 3 gives power, and the new card of worker-1 does not answer/ });
  await throughSwitch('off');

  await bootedWith('bb');
  const again = await fenceStep(known, node, { needs: [] }).observe(host);
  assert.deepEqual(again, { state: 'done', detail: 'worker-1 runs from its new card' });
  await stillFenced(known, host, node);
  assert.equal(power.state(3), 'on', 'the new board kept its power');
  await throughSwitch('off');
});

test('a new board that just can’t be asked keeps its power: it is given a moment to say whose card it runs', { timeout: 60_000 }, async () => {
  await bootedWith('bb');
  let failures = 2;
  const deaf: Host = { ...host, run: async (command) => (command.program === 'talosctl' && failures-- > 0
    ? { exitCode: 1, stdout: '', stderr: 'rpc error: code = Unavailable desc = connection error: Error while dialing: dial tcp 127.101.1.3:50000: connect: connection refused' } : host.run(command)) };
  const known = facts();
  await runSteps([fenceStep(known, node, { needs: [] })], deaf);
  assert.deepEqual([known.fences.get(node.name)?.by, power.state(3), board.state()], ['new card', 'on', 'maintenance']);
  await throughSwitch('off');
});

test('off, and yet somebody answers at the node’s address: nothing is taken', { timeout: 60_000 }, async () => {
  const kubelet = await listen(node.address, 10_250);
  try {
    await assert.rejects(runSteps([fenceStep(facts(), node, { needs: [] })], host),
      { code: 'E_FENCE_ALIVE', message: /port 3 gives no power, yet 127\.101\.1\.3 still answers on port 10250/ });
    await assert.rejects(stillFenced(facts(), host, node), { code: 'E_FENCE_BROKEN', message: /answers on port 10250/ });
  } finally {
    kubelet.close();
  }
});

test('without a port a person vouches, by the node’s name, once, and it is said loudly', { timeout: 60_000 }, async () => {
  const { port: _, ...unplugged } = node;
  const known = facts({ ...cluster, nodes: [unplugged] });
  const step = fenceStep(known, unplugged, { needs: [] });
  assert.equal((await step.observe(host)).state, 'needed');
  await assert.rejects(stillFenced(known, host, unplugged), { code: 'E_FENCE_BROKEN', message: /can't be seen any more/ });
  answer = 'yes';
  await assert.rejects(runSteps([step], host), { code: 'E_FENCE_NOT_CONFIRMED' });
  answer = node.name;
  asked.length = 0;
  await runSteps([step], host);
  await runSteps([fenceStep(known, unplugged, { needs: [] })], host);
  assert.deepEqual(asked.map(({ code, fallback }) => [code, fallback]), [['fence.confirm', undefined]]);
  assert.match(known.fences.get(node.name)?.text ?? '', /^! a person's word alone: worker-1 has no port/);
  assert.ok(own.events.some((event) => event.code === 'fence.person' && event.message?.startsWith('!')));
  await stillFenced(known, host, unplugged);

  const apid = await listen(node.address, 50_000);
  try {
    await assert.rejects(stillFenced(known, host, unplugged), { code: 'E_FENCE_BROKEN', message: /answers on port 50000/ });
    await assert.rejects(runSteps([fenceStep(facts({ ...cluster, nodes: [unplugged] }), unplugged, { needs: [] })], host), { code: 'E_FENCE_ALIVE', message: /a person said/ });
  } finally {
    apid.close();
  }
});

test('a switch that can’t be asked, or does not understand, is told, and the person asked', { timeout: 60_000 }, async () => {
  await power.fail('refuse');
  try {
    const known = facts();
    await runSteps([fenceStep(known, node, { needs: [] })], host);
    assert.match(known.fences.get(node.name)?.text ?? '', /the switch can't say \(admin@127\.101\.1\.2:\d+ refuses connections\)/);
    assert.equal(asked.length, 1);
  } finally {
    await power.fail(undefined);
  }
  const nine = { ...node, port: 9 };
  const known = facts({ ...cluster, nodes: [nine] });
  await runSteps([fenceStep(known, nine, { needs: [] })], host);
  assert.match(known.fences.get(node.name)?.text ?? '', /nothing understandable about port 9: Invalid port id/);
});

async function listen(address: string, port: number): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).listen(port, address);
  await once(server, 'listening');
  return server;
}
