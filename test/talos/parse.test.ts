import { test } from 'node:test';
import assert from 'node:assert/strict';
import { parseResources } from '../../talos/resources.ts';
import { parseMembers, parseStatus } from '../../talos/talosctl-etcd.ts';
import { parseService, parseServices } from '../../talos/talosctl-services.ts';
import { readSummary } from '../../talos/talosctl-config.ts';
import { phaseOf } from '../../talos/etcd.ts';
import { FILES, recorded, recording } from './recorded.ts';

test('every recorded JSON answer is read, empty lists too', () => {
  let count = 0;
  for (const file of FILES) {
    for (const each of recorded(file)) {
      const { command } = each;
      if (each.exitCode !== 0 || command[0] !== 'get' || command[command.indexOf('-o') + 1] !== 'json' || command.includes('--watch')) continue;
      const starts = each.stdout.split('\n').filter((line) => line === '{').length;
      assert.equal(parseResources(each.stdout).length, starts, each.name);
      count += 1;
    }
  }
  assert.ok(count > 20, String(count));
  assert.deepEqual(parseResources(''), []);
  assert.throws(() => parseResources('NODE  NAMESPACE\n'), { code: 'E_TALOS_OUTPUT' });
});

test('META keys come by number, whatever JSON made of their hex names', () => {
  const keys = parseResources(recording('vm-running', 'get metakeys with json value json').stdout);
  assert.deepEqual(keys.map((key) => [Number(key.id), (key.spec as { value: string }).value]), [[9, 'null'], [12, '{"card":"abc"}']]);
});

test('etcd members: hex ids as text, learners, empty columns', () => {
  assert.deepEqual(parseMembers(recording('bootstrapped', 'etcd members').stdout), [
    { id: '252902638f78db76', hostname: 'n1', peerUrls: ['https://10.77.0.11:2380'], clientUrls: ['https://10.77.0.11:2379'], learner: false },
  ]);
  const head = 'NODE         ID                 HOSTNAME   PEER URLS                 CLIENT URLS               LEARNER';
  const row = '10.77.0.11   076d088459741835              https://10.77.0.12:2380                             true';
  assert.deepEqual(parseMembers(`${head}\n${row}\n`), [{ id: '076d088459741835', hostname: '', peerUrls: ['https://10.77.0.12:2380'], clientUrls: [], learner: true }]);
  assert.deepEqual(parseMembers(`${head}\n`), []);
});

test('etcd status: no leader is told', () => {
  const [fine] = parseStatus(recording('bootstrapped', 'etcd status').stdout);
  assert.equal(fine?.leader, fine?.member);
  assert.equal(fine?.raftIndex, 490n);
  assert.equal(fine?.errors, '');
  const [lost] = parseStatus(recording('three-control-planes', 'two dead: etcd status, about 40 s later').stdout);
  assert.equal(lost?.leader, '0000000000000000');
  assert.equal(lost?.errors, 'etcdserver: no leader');
});

test('services and the phase of etcd', () => {
  const before = parseServices(recording('applied-controlplane-before-bootstrap', 'service').stdout);
  assert.deepEqual(before.find((each) => each.id === 'etcd'), { id: 'etcd', state: 'Preparing', lastEvent: 'Running pre state' });
  assert.equal(before.find((each) => each.id === 'kubelet')?.health, 'ok');
  const phase = (file: (typeof FILES)[number], name: string) => phaseOf(parseService(recording(file, name).stdout));
  assert.equal(phase('applied-controlplane-before-bootstrap', 'service etcd'), 'preparing');
  assert.equal(phase('bootstrapped', 'service etcd'), 'running');
  assert.equal(phase('bootstrapped', 'after bootstrap --recover-from a corrupt snapshot (cluster other): service etcd'), 'failed');
  assert.equal(phaseOf(undefined), 'absent');
  assert.equal(phaseOf({ id: 'etcd', state: 'Preparing', lastEvent: 'Creating service runner' }), 'starting');
  assert.equal(phaseOf({ id: 'etcd', state: 'Finished', lastEvent: 'Service finished successfully' }), 'starting');
  assert.equal(phaseOf({ id: 'etcd', state: 'Waiting', lastEvent: 'Waiting for time sync' }), 'starting');
});

test('apply-config: whether a dry run would change something, never the diff', () => {
  const summary = (name: string, dryRun: boolean) => readSummary(recording('applied-controlplane-before-bootstrap', name).stderr, dryRun);
  assert.deepEqual(summary('apply-config dry-run no changes', true), { summary: 'Applied configuration without a reboot (skipped in dry-run).', changes: false });
  const changed = summary('apply-config dry-run hostname change', true);
  assert.equal(changed.changes, true);
  assert.doesNotMatch(changed.summary, /@@|hostname/);
  assert.deepEqual(readSummary(recording('maintenance', 'apply-config dry-run worker').stderr, true), { summary: 'Node is running in maintenance mode and does not have a config yet.' });
});
