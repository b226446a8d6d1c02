import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { createFacts, type Facts } from '../../../bootstrap/facts.ts';
import { rejoinStep } from '../../../bootstrap/recovery/nodes.ts';
import { orphansOf } from '../../../bootstrap/recovery/writers.ts';
import { runSteps } from '../../../bootstrap/runner.ts';
import type { Host } from '../../../lib/host.ts';
import type { ClusterNode } from '../../../nodes/cluster.ts';
import { testHost, type TestHost } from '../../support/host.ts';
import { exampleCluster, exampleNode } from '../../talos/example.ts';

const worker: ClusterNode = { ...exampleNode('worker-1', 'worker', 21), address: '127.104.3.21' };
const since = Date.parse('2026-11-23T07:00:00Z');
const node = { kind: 'Node', metadata: { name: 'worker-1' } };
const lease = (renewTime: string) => ({ kind: 'Lease', metadata: { name: 'worker-1' }, spec: { renewTime } });

/** A host on which nothing takes time, kubectl gives these objects, and talosctl's calls are told. */
function world(base: TestHost, objects: () => { readonly node?: object; readonly lease?: object }): { host: Host; facts: Facts; told: string[] } {
  let passed = 0;
  const told: string[] = [];
  const host: Host = {
    ...base,
    clock: { now: () => Date.now() + passed, sleep: async (_ms, signal) => { passed += 10_000; await base.clock.sleep(1, signal); } },
    run: async ({ program, args }) => {
      if (program === 'talosctl') told.push(args.join(' '));
      const seen = program === 'talosctl' ? {} : args.some((arg) => arg.startsWith('node/')) ? objects().node : objects().lease;
      return { exitCode: 0, stderr: '', stdout: seen === undefined ? '' : JSON.stringify(seen) };
    },
  };
  const facts = { ...createFacts(exampleCluster(base.scratch, { nodes: [worker] }), base.scratch), talosconfig: async () => '/nowhere' };
  return { host, facts: { ...facts, access: async () => ({ address: worker.address, mode: 'secure', talosconfigPath: '/nowhere' }) }, told };
}

test('a worker that died too holds up no recovery: it is told, and its rebuild comes next', async () => {
  for (const objects of [{}, { node, lease: lease('2026-11-23T06:00:00.000000Z') }]) {
    const base = testHost();
    const { host, facts, told } = world(base, () => objects);
    const away = new Set<string>();
    const { steps } = await runSteps([rejoinStep(facts, worker, since, [], 20 * 60_000, away)], host);
    assert.match(steps[0]!.detail, /^! nothing answers at 127\.104\.3\.21/);
    assert.deepEqual([[...away], told], [['worker-1'], []]);
    assert.ok(base.events.some(({ code }) => code === 'recovery.away'));
    base.remove();
  }
});

test('one that answers gets its kubelet started anew where Kubernetes has no Node, and is waited for', async () => {
  const base = testHost();
  const port = createServer((socket) => socket.destroy()).listen(50_000, worker.address).unref();
  await once(port, 'listening');
  const { host, facts, told } = world(base, () => (told.length === 0 ? {} : { node, lease: lease('2026-11-23T07:00:05.000000Z') }));
  const away = new Set<string>();
  const { steps } = await runSteps([rejoinStep(facts, worker, since, [], 20 * 60_000, away)], host);
  assert.equal(steps[0]!.detail, 'after its kubelet was started anew');
  assert.ok(away.size === 0 && told.length === 1 && told[0]!.includes('service kubelet restart'));
  port.close();
  base.remove();
});

test('an API server that is away for a moment ends no wait', async () => {
  const base = testHost();
  const port = createServer((socket) => socket.destroy()).listen(50_000, worker.address).unref();
  await once(port, 'listening');
  let calls = 0;
  const { host, facts } = world(base, () => ({ node, lease: lease(calls > 6 ? '2026-11-23T07:00:05.000000Z' : '2026-11-23T06:00:00.000000Z') }));
  const answers = ['', '', 'Unable to connect to the server: dial tcp: connect: connection refused', 'Error from server: etcdserver: leader changed', '', ''];
  const shaky: Host = { ...host, run: async (command) => {
    const stderr = command.program === 'kubectl' ? answers[calls++] ?? '' : '';
    return stderr === '' ? host.run(command) : { exitCode: 1, stdout: '', stderr };
  } };
  const { steps } = await runSteps([rejoinStep(facts, worker, since, [], 20 * 60_000)], shaky);
  assert.deepEqual([steps[0]!.end, calls > 6], ['done', true]);
  port.close();
  base.remove();
});

test('a LUN is not opened for a second writer while a node that does not answer has it', () => {
  const base = testHost();
  const { facts } = world(base, () => ({}));
  const target = { connected_sessions: [{ iqn: 'iqn.x', ip: worker.address }] } as never;
  const pod = { kind: 'Pod', metadata: { name: 'p', namespace: 'apps' }, spec: { nodeName: 'worker-1', volumes: [{ persistentVolumeClaim: { claimName: 'data' } }] } };
  const held = { lun: 'data', claim: 'apps/data', target };
  assert.deepEqual(orphansOf(facts, held, [pod], new Set()), []);
  assert.deepEqual(orphansOf(facts, held, [pod], new Set(['worker-1'])), ['worker-1 holds data, and does not answer']);
  assert.deepEqual(orphansOf(facts, held, [], new Set()), ['worker-1 holds data, and Kubernetes has no pod for it there']);
  base.remove();
});
