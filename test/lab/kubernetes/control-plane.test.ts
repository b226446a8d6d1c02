import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startEtcd, type Etcd } from '../../../lab/kubernetes/etcd.ts';
import { FirstlightError } from '../../../lib/errors.ts';
import { toolPrograms } from '../../support/host.ts';
import { eventually, startControlPlane, testHost } from './control-plane.ts';
import { selfMadeMaterial } from './material.ts';
import { startNode } from './node.ts';

const ADDRESS = '127.61.1.11';

const PODS = `
apiVersion: batch/v1
kind: Job
metadata: { name: once }
spec: { template: { spec: { restartPolicy: Never, containers: [{ name: a, image: a }] } } }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: everywhere }
spec: { selector: { matchLabels: { app: everywhere } }, template: { metadata: { labels: { app: everywhere } }, spec: { containers: [{ name: a, image: a }] } } }
---
apiVersion: v1
kind: Pod
metadata: { name: env }
spec: { containers: [{ name: a, image: a, envFrom: [{ secretRef: { name: ring } }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: volume }
spec: { containers: [{ name: a, image: a }], volumes: [{ name: map, configMap: { name: ring } }, { name: maybe, secret: { secretName: none, optional: true } }] }
`;

test('nodes register with the bootstrap token, show as Ready, and go NotReady after a power cut', async (t) => {
  const material = await selfMadeMaterial('cp-1', ADDRESS);
  // The kubelets start before there is an API server, as boards do.
  const host = testHost();
  const control = startNode(material, { name: 'cp-1', address: ADDRESS, role: 'control plane', folder: host.scratch }, { leaseMs: 500 });
  const worker = startNode(material, { name: 'worker-1', address: '127.61.1.21', folder: host.scratch }, { leaseMs: 500 });
  t.after(() => Promise.all([control.end('kill'), worker.end('kill')]));
  const cp = await startControlPlane(material, host, { kind: 'new' }, { nodeGraceMs: 2_000 });
  t.after(() => cp.stop());
  await eventually(cp.host, 'two nodes are registered', async () => control.registered() && worker.registered());
  await eventually(cp.host, 'no node has the not-ready taint', async () => !(await cp.kubectl('get', 'nodes', '-o', 'yaml')).includes('not-ready'));
  const nodes = await cp.kubectl('get', 'nodes', '-o', 'wide', '--no-headers');
  assert.match(nodes, /^cp-1 +Ready +control-plane +\S+ +v1\.34\.4 +127\.61\.1\.11 +<none> +Talos \(v1\.11\.0\) +\S+ +containerd:\/\/2\.1\.4$/m);
  assert.match(nodes, /^worker-1 +Ready +<none> +\S+ +v1\.34\.4 +127\.61\.1\.21/m);
  assert.match(await cp.kubectl('get', 'nodes', '-l', 'example.test/shelf=upper,kubernetes.io/arch=arm64', '-o', 'name'), /node\/worker-1/);
  assert.match(await cp.kubectl('get', 'node', 'cp-1', '-o', 'jsonpath={.spec.taints}'), /node-role\.kubernetes\.io\/control-plane/);
  await eventually(cp.host, 'the API server is shown as a pod', () => cp.kubectl('-n', 'kube-system', 'get', 'pods', '--no-headers'), /^kube-apiserver-cp-1 +1\/1 +Running /);
  await eventually(cp.host, 'pods have a service account', () => cp.kubectl('get', 'serviceaccount', 'default', '-o', 'name'), /default/);
  const overrides = JSON.stringify({ spec: { hostNetwork: true } });
  await assert.rejects(cp.kubectl('run', 'bare', '--image=bare', '--overrides', overrides), /violates PodSecurity "baseline/);
  await assert.rejects(cp.host.run({
    program: 'kubectl', args: ['--server', material.endpoint, '--insecure-skip-tls-verify', '--token', material.bootstrapToken, 'get', 'secrets', '-A'], env: { KUBECONFIG: '/dev/null' },
  }), /forbidden/i);

  await t.test('jobs end, a DaemonSet keeps off the control plane, and what a pod misses is told in a kubelet’s words', async () => {
    const file = join(host.scratch, 'pods.yaml');
    writeFileSync(file, PODS);
    await cp.kubectl('apply', '-f', file);
    await cp.kubectl('wait', '--for=condition=complete', 'job/once', '--timeout=30s');
    await cp.kubectl('rollout', 'status', 'daemonset/everywhere', '--timeout=30s');
    assert.equal(await cp.kubectl('get', 'pods', '-l', 'app=everywhere', '-o', 'jsonpath={.items[*].spec.nodeName}'), 'worker-1');
    const waiting = (name: string): Promise<string> => cp.kubectl('get', 'pod', name, '-o', 'jsonpath={.status.containerStatuses[0].state.waiting.reason}');
    await eventually(host, 'the missing Secret of the environment is told', () => waiting('env'), /^CreateContainerConfigError$/);
    await eventually(host, 'the missing ConfigMap of a volume is told', () => cp.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}'), /MountVolume\.SetUp failed for volume "map" : configmaps "ring" not found/);
    assert.equal(await waiting('volume'), 'ContainerCreating');
    await cp.kubectl('create', 'secret', 'generic', 'ring', '--from-literal=one=x');
    await cp.kubectl('create', 'configmap', 'ring');
    await cp.kubectl('wait', '--for=condition=Ready', 'pod/env', 'pod/volume', '--timeout=30s');
    assert.match(await cp.kubectl('get', 'pod', 'env', '-o', 'wide', '--no-headers'), /1\/1 +Running +0 +\S+ +10\.244\.\d\.\d+ +worker-1/);
    await cp.kubectl('delete', 'pod', 'env', 'volume', '--timeout=30s');
  });

  await worker.end('kill');
  await eventually(cp.host, 'worker-1 is NotReady', async () => /worker-1 +NotReady/.test(await cp.kubectl('get', 'nodes', '--no-headers')));
  const back = startNode(material, { name: 'worker-1', address: '127.61.1.21', folder: host.scratch }, { leaseMs: 500 });
  t.after(() => back.end('kill'));
  await eventually(cp.host, 'worker-1 is Ready again', async () => /worker-1 +Ready/.test(await cp.kubectl('get', 'nodes', '--no-headers')));

  await cp.kubectl('delete', 'node', 'worker-1');
  back.restart();
  await eventually(cp.host, 'the kubelet that was restarted registers its Node anew', async () => back.registered() && /worker-1 +Ready/.test(await cp.kubectl('get', 'nodes', '--no-headers')));
});

test('secrets are encrypted at rest, data outlives a power cut, and a snapshot brings it back', async (t) => {
  const material = await selfMadeMaterial('cp-1', '127.61.2.11');
  const host = testHost();
  const first = await startControlPlane(material, host, { kind: 'new' }, { controllers: false });
  t.after(() => first.stop());
  await first.kubectl('create', 'secret', 'generic', 'ring', '--from-literal=one=my-precious');
  const stored = Buffer.from(await first.etcd.get('/registry/secrets/default/ring') ?? []).toString('latin1');
  assert.match(stored, /^k8s:enc:secretbox:v1:key2:/);
  assert.ok(!stored.includes('my-precious'));
  await first.cutPower();

  const second = await startControlPlane(material, host, { kind: 'restart' }, { controllers: false });
  t.after(() => second.cutPower());
  assert.equal(await second.kubectl('get', 'secret', 'ring', '-o', 'jsonpath={.data.one}'), Buffer.from('my-precious').toString('base64'));
  const pieces: Uint8Array[] = [];
  for await (const piece of second.etcd.snapshot()) pieces.push(piece);
  const snapshot = Buffer.concat(pieces);
  assert.equal(snapshot.length % 512, 32);
  assert.deepEqual(createHash('sha256').update(snapshot.subarray(0, -32)).digest(), snapshot.subarray(-32));
  const [member] = await second.etcd.members();
  assert.deepEqual([member?.name, member?.peerUrls, member?.learner], ['cp-1', ['https://127.61.2.11:2380'], false]);
  const status = await second.etcd.status();
  assert.equal(status.leader, member?.id);
  assert.ok(status.dbSize > 0n && status.raftTerm > 1n);
  const list = await host.run({ program: 'etcdctl', args: [
    `--endpoints=${second.etcd.clientUrl}`, `--cacert=${second.etcd.tls.files.ca}`, `--cert=${second.etcd.tls.files.crt}`, `--key=${second.etcd.tls.files.key}`, 'member', 'list',
  ] });
  assert.equal(list.stdout.trim().split('\n').length, 1);
  await second.cutPower();

  const file = join(host.scratch, 'db.snapshot');
  writeFileSync(file, snapshot);
  const third = await startControlPlane(material, host, { kind: 'recover', snapshot: file, skipHashCheck: false }, { folder: 'recovered', controllers: false });
  t.after(() => third.cutPower());
  assert.equal(await third.kubectl('get', 'secret', 'ring', '-o', 'jsonpath={.data.one}'), Buffer.from('my-precious').toString('base64'));
  const [recovered] = await third.etcd.members();
  assert.notEqual(recovered?.id, member?.id);

  const bytes = readFileSync(file);
  bytes[5_000] = (bytes[5_000] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  const corrupt = startEtcd({
    material, dataFolder: join(host.scratch, 'corrupt', 'data'), folder: join(host.scratch, 'corrupt'), programs: toolPrograms(),
    initial: { kind: 'recover', snapshot: file, skipHashCheck: false },
  });
  await assert.rejects(corrupt, (error: FirstlightError) => error.code === 'E_SNAPSHOT' && /^error recovering from the snapshot: expected sha256 \[\d+.*\], got \[\d+.*\]$/.test(error.message));
});

test('two more control planes join etcd one after the other, and a lost card of one comes back as a new member', async (t) => {
  const one = await selfMadeMaterial('cp-1', '127.61.3.11');
  const host = testHost();
  t.after(() => host.remove());
  const programs = toolPrograms();
  const etcd = await startEtcd({ material: one, dataFolder: join(host.scratch, 'one'), folder: join(host.scratch, 'one-etcd'), programs, initial: { kind: 'new' } });
  t.after(() => etcd.kill());
  await etcd.ready;
  const joinAs = async (number: number, data: string): Promise<Etcd> => {
    const material = { ...one, nodeName: `cp-${number}`, address: `127.61.3.1${number}`, certSans: [] };
    const joining = await startEtcd({
      material, dataFolder: join(host.scratch, data), folder: join(host.scratch, `${data}-etcd`), programs, initial: { kind: 'join', clientUrls: [etcd.clientUrl] },
    });
    t.after(() => joining.kill());
    return joining;
  };
  const threeVote = async (): Promise<boolean> => {
    const members = await etcd.members();
    return members.length === 3 && members.every((member) => !member.learner && member.name !== '');
  };
  const idOf = async (name: string): Promise<bigint> => (await etcd.members()).find((member) => member.name === name)?.id ?? 0n;
  const [two, three] = await Promise.all([joinAs(2, 'two'), joinAs(3, 'three')]);
  await eventually(host, 'three members vote', threeVote);
  await etcd.moveLeader(await idOf('cp-2'));
  assert.equal((await etcd.status()).leader, (await two.status()).memberId);

  const lost = await idOf('cp-3');
  await three.kill();
  await joinAs(3, 'three-again');
  await eventually(host, 'three members vote again', threeVote);
  assert.notEqual(await idOf('cp-3'), lost);
  await assert.rejects(etcd.removeMember(lost), /etcdserver: member not found/);
});
