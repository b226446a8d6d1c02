import { test } from 'node:test';
import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from '../../lib/host.ts';
import { etcdPhase, observeEtcd } from '../../talos/etcd.ts';
import { bootstrapEtcd } from '../../talos/talosctl-etcd.ts';
import { kubeconfig, readFileOf, version, type Access } from '../../talos/talosctl.ts';
import { machineStage } from '../../talos/resources.ts';
import { testHost } from '../support/host.ts';
import { recording, type Recorded } from './recorded.ts';

const ACCESS: Access = { address: '10.77.0.11', mode: 'secure', talosconfigPath: '/nowhere' };
const LIST = { exitCode: 0, stdout: 'NODE         NAME\n10.77.0.11   .\n10.77.0.11   member\n', stderr: '' };

/** A host whose talosctl answers by recordings, by the first words of the command, and counts the calls. */
function replaying(answers: Record<string, Pick<Recorded, 'exitCode' | 'stdout' | 'stderr'>>): Host & { calls: string[]; remove(): void } {
  const host = testHost();
  const calls: string[] = [];
  return {
    ...host, calls,
    run: async ({ args, env }) => {
      const line = args.join(' ');
      calls.push(line);
      assert.equal(env?.['TALOSCONFIG'], '/nowhere');
      assert.ok(line.endsWith('-n 10.77.0.11 -e 10.77.0.11'));
      const found = Object.entries(answers).find(([start]) => line.startsWith(start));
      assert.ok(found, line);
      return found[1];
    },
  };
}

test('a control plane that waits for its bootstrap is seen so, without asking etcd itself', async () => {
  const host = replaying({
    'service etcd': recording('applied-controlplane-before-bootstrap', 'service etcd'),
    // An empty list prints nothing, as YAML (recorded) and as JSON.
    'get etcdmembers': recording('applied-controlplane-before-bootstrap', 'get etcdmembers yaml'),
    'list /var/lib/etcd': recording('three-control-planes', 'leave: list /var/lib/etcd on 10.77.0.13'),
  });
  assert.deepEqual(await observeEtcd(host, 'cp-1', ACCESS), { node: 'cp-1', asked: true, phase: 'preparing', data: 'empty', detail: 'etcd is Preparing: Running pre state' });
  assert.equal(await etcdPhase(host, ACCESS), 'preparing');
  assert.ok(host.calls.every((line) => !line.startsWith('etcd')));
  host.remove();
});

test('a running one has its member, a worker no etcd, a refusing one can not be asked', async () => {
  const running = replaying({
    'service etcd': recording('bootstrapped', 'service etcd'), 'get etcdmembers': recording('bootstrapped', 'get etcdmembers json'), 'list /var/lib/etcd': LIST,
  });
  const seen = await observeEtcd(running, 'cp-1', ACCESS);
  assert.deepEqual({ ...seen, detail: '' }, { node: 'cp-1', asked: true, phase: 'running', data: 'present', member: '252902638f78db76', detail: '' });
  running.remove();
  const worker = replaying({ 'service etcd': recording('worker', 'service etcd') });
  assert.equal(await etcdPhase(worker, ACCESS), 'absent');
  worker.remove();
  const refusing = replaying({ 'service etcd': recording('errors', 'container mode: service etcd after it') });
  const silent = await observeEtcd(refusing, 'cp-1', ACCESS);
  assert.ok(!silent.asked && /refuses connections/.test(silent.seen));
  refusing.remove();
});

test('a bootstrap of a bootstrapped node and of a worker have their codes', async () => {
  const again = replaying({ bootstrap: recording('bootstrapped', 'bootstrap again, etcd healthy') });
  await assert.rejects(bootstrapEtcd(again, ACCESS), { code: 'E_TALOS_ALREADY' });
  again.remove();
  const worker = replaying({ bootstrap: recording('worker', 'bootstrap on a worker, direct endpoint') });
  await assert.rejects(bootstrapEtcd(worker, ACCESS), { code: 'E_TALOS_WORKER' });
  worker.remove();
});

test('stage, version and files are read', async () => {
  const host = replaying({
    'get machinestatus machine': recording('applied-controlplane-before-bootstrap', 'get machinestatus json'),
    'version --short': recording('bootstrapped', 'version short'),
    'read /etc/hostname': recording('applied-controlplane-before-bootstrap', 'read hostname'),
    'read /etc/nosuch': recording('applied-controlplane-before-bootstrap', 'read missing file'),
  });
  assert.deepEqual(await machineStage(host, ACCESS), { stage: 'booting', ready: false, unmet: ['services: etcd not running', 'nodeReady: node "n1" status is not available yet'] });
  assert.equal(await version(host, ACCESS), 'v1.11.0');
  assert.equal(await readFileOf(host, ACCESS, '/etc/hostname'), 'n1\n');
  await assert.rejects(readFileOf(host, ACCESS, '/etc/nosuch'), { code: 'E_TALOS_NOT_FOUND' });
  host.remove();
});

test('the kubeconfig is a private file and its key is masked', async () => {
  const host = testHost();
  const path = join(host.scratch, 'kubeconfig');
  const key = Buffer.from('-----BEGIN EC PRIVATE KEY-----\nQUJDREVGR0hJSktM\n-----END EC PRIVATE KEY-----\n').toString('base64');
  const writing: Host = {
    ...host,
    run: async () => {
      await writeFile(path, `apiVersion: v1\nkind: Config\nusers:\n- name: a\n  user:\n    client-certificate-data: ${Buffer.from('public-part').toString('base64')}\n    client-key-data: ${key}\n`, { mode: 0o644 });
      return { exitCode: 0, stdout: '', stderr: '' };
    },
  };
  await kubeconfig(writing, ACCESS, path);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(host.mask.hide(key), '•••');
  assert.equal(host.mask.hide('QUJDREVGR0hJSktM'), '•••');
  assert.equal(host.mask.hide(Buffer.from('public-part').toString('base64')), Buffer.from('public-part').toString('base64'));
  host.remove();
});
