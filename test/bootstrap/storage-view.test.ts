import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { adoptLun } from '../../bootstrap/storage-adopt.ts';
import { viewStorage } from '../../bootstrap/storage-view.ts';
import { ManyErrors, problem } from '../../lib/errors.ts';
import type { Command, Host } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { withSession } from '../../lib/iscsi/session.ts';
import { loadCluster } from '../../nodes/load.ts';
import { storagePicture } from '../../scripts/terminal/storage.ts';
import { ensureStorage } from '../../storage/ensure.ts';
import { byHand, claimant, credentials, failure, GIB, openDesk, SECRET } from '../storage/support.ts';

const ADDRESS = '127.21.10.1';
const gandalf = join(import.meta.dirname, '../../examples/homelab/machines/gandalf/cluster.yaml');
const UUID = /[0-9a-f]{8}-[0-9a-f-]{27}/g;

/** A homelab with Gandalf's file, pointed at a NAS; `volumes` is what kubectl answers, undefined where no cluster does. */
async function open(volumes?: readonly object[]) {
  const desk = await openDesk(ADDRESS, { https: false });
  const file = join(desk.host.scratch, 'homelab', 'machines', 'gandalf', 'cluster.yaml');
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync(gandalf, file);
  writeFileSync(file, readFileSync(file, 'utf8').replace('address: 192.168.77.5\n  port: 5001', `address: ${ADDRESS} # mine\n  https: false\n  port: 5001`)
    .replaceAll('192.168.77.', '127.21.10.').replace(`address: 127.21.10.5`, `address: ${ADDRESS}`).replace('gateway: 127.21.10.1', 'gateway: 127.21.10.254'));
  const reload = async () => {
    const cluster = await loadCluster(file);
    const facts: Facts = { ...createFacts(cluster, desk.host.scratch), credentials: async () => credentials, access: async (_host, node) => ({ address: node.address, mode: 'secure', talosconfigPath: '/nowhere' }) };
    return facts;
  };
  const host: Host = { ...desk.host, run: async (command) => answer(command, volumes) };
  return { desk, host, file, reload, [Symbol.asyncDispose]: () => desk[Symbol.asyncDispose]() };
}

function answer(command: Command, volumes: readonly object[] | undefined) {
  if (volumes === undefined) throw problem('E_PROGRAM', 'the control plane does not answer', 'See whether it is on.');
  if (command.args.includes('read')) return { exitCode: 0, stdout: `InitiatorName=iqn.2017-11.dev.talos:${command.args.some((each) => each.endsWith('.21')) ? 'abcd' : 'other'}\n`, stderr: '' };
  if (command.program === 'talosctl') writeFileSync(command.args.find((each) => each.endsWith('kubeconfig') && each.startsWith('/'))!, 'users: []\n');
  return { exitCode: 0, stdout: JSON.stringify({ kind: 'List', items: volumes }), stderr: '' };
}

test('LUN, target, session, volume and claim on one line each, as data and as a picture', async () => {
  const volume = (name: string, spec: object, annotations = {}) => ({ kind: 'PersistentVolume', metadata: { name, annotations }, spec: { ...spec, claimRef: { namespace: 'apps', name: 'data' } }, status: { phase: 'Bound' } });
  const volumes: object[] = [];
  await using at = await open(volumes);
  const facts = await at.reload();
  await ensureStorage(at.host, facts.cluster.nas!, credentials, claimant);
  await byHand(at.desk, 'LUN', 'create', { name: 'LUN-1', size: 100 * GIB, type: 'BLUN', location: '/volume1' });
  const [own, byHandMade] = at.desk.lab.luns();
  volumes.push(volume('pv-a', {}, { 'firstlight.dev/lun-uuid': own!.uuid }), volume('pv-b', { csi: { volumeHandle: byHandMade!.uuid } }),
    volume('pv-c', { iscsi: { iqn: 'iqn.2000-01.com.synology:gandalf-data' } }), volume('pv-d', { csi: { volumeHandle: 'another' } }));
  const { iqn, user } = facts.cluster.nas!.luns[0]!;
  await withSession(at.host, { portal: `${ADDRESS}:3260`, iqn, user, secret: SECRET, initiator: 'iqn.2017-11.dev.talos:abcd' }, async () => {
    const view = await viewStorage(at.host, facts);
    assert.deepEqual(view.luns.map((lun) => [lun.name, lun.declaredAs, lun.markedFor, lun.volumes.map((each) => each.name)]), [
      ['gandalf-data', 'gandalf-data', 'gandalf', ['pv-a', 'pv-c']], ['LUN-1', undefined, undefined, ['pv-b']],
    ]);
    assert.deepEqual(view.luns[0]!.targets.map(({ chap, number, sessions }) => [chap, number, sessions.length]), [['one-way', 1, 1]]);
    assert.equal(view.kubernetes, undefined);
    assert.equal(storagePicture(view).replace(UUID, 'UUID').replace(/\(127[.\d]+, iqn/, '(ADDRESS, iqn'), [
      `NAS ${ADDRESS}, cluster gandalf`, '',
      '  ● gandalf-data  20 GiB ─▶ target iqn.2000-01.com.synology:gandalf-data ─▶ volume pv-a ─▶ claim apps/data (Bound)',
      '    /volume1  UUID  declared', '    CHAP, LUN number 1', '    ↳ in use by gandalf-w-1 (ADDRESS, iqn.2017-11.dev.talos:abcd)',
      '    also volume pv-c ─▶ claim apps/data (Bound)', '',
      '  ○ LUN-1  100 GiB ─▶ volume pv-b ─▶ claim apps/data (Bound)', '    /volume1  UUID  not declared: firstlight storage adopt gandalf LUN-1', '    no target shows it',
    ].join('\n'));
  });
});

test('without a cluster the NAS is shown all the same, and it says why there are no volumes', async () => {
  await using at = await open();
  const view = await viewStorage(at.host, await at.reload());
  assert.deepEqual([view.luns, view.absent, view.kubernetes], [[], ['gandalf-data'], 'the control plane does not answer']);
  assert.match(storagePicture(view), /✗ gandalf-data {3}declared, not on the NAS[\s\S]*Volumes and claims are not shown: the control plane does not answer/);
  assert.ok(at.desk.lab.requests.every((request) => !request.wrote));
});

test('adopt writes one entry, keeps every other line and comment, and `up` then takes the very LUN', async () => {
  await using at = await open();
  const made = await byHand(at.desk, 'LUN', 'create', { name: 'LUN-1', size: 1536 * 2 ** 20, type: 'BLUN', location: '/volume1' });
  const target = await byHand(at.desk, 'Target', 'create', { name: 'Target-1', iqn: 'iqn.2000-01.com.synology:NAS.Target-1.abc', auth_type: 0 });
  await byHand(at.desk, 'Target', 'map_lun', { target_id: String(target['target_id']), lun_uuids: [String(made['uuid'])] });
  const before = readFileSync(at.file, 'utf8');
  const writes = at.desk.lab.requests.filter((request) => request.wrote).length;
  const { entry, next } = await adoptLun(at.host, await at.reload(), 'LUN-1');
  assert.deepEqual(entry, { name: 'lun-1', uuid: made['uuid'], size: '1536MiB', iqn: 'iqn.2000-01.com.synology:NAS.Target-1.abc', user: 'gandalf' });
  assert.equal(next.at(-1), 'firstlight up gandalf');
  const after = readFileSync(at.file, 'utf8').split('\n');
  const kept = before.split('\n');
  const added = after.filter((line) => !kept.includes(line));
  assert.deepEqual(added, ['    - name: lun-1', `      uuid: ${String(made['uuid'])}`, '      size: 1536MiB', '      iqn: iqn.2000-01.com.synology:NAS.Target-1.abc']);
  assert.deepEqual(kept.filter((line) => !after.includes(line)), []);
  assert.equal(at.desk.lab.requests.filter((request) => request.wrote).length, writes);
  const { nas } = (await at.reload()).cluster;
  await ensureStorage(at.host, nas!, { ...credentials, chap: { ...credentials.chap, 'lun-1': SECRET } }, claimant);
  assert.deepEqual(at.desk.lab.luns().map((lun) => lun.name).toSorted(), ['LUN-1', 'gandalf-data']);
  assert.equal((await failure(adoptLun(at.host, await at.reload(), 'LUN-1'))).code, 'E_STORAGE_DECLARED');
});

for (const [what, from, to] of [
  ['an empty list', /luns:\n[\s\S]*?\n\n/, 'luns: [] # none yet\n\n'],
  ['a list in brackets', /luns:\n[\s\S]*?\n\n/, 'luns: [{ name: gandalf-data, size: 20GiB, iqn: "iqn.2000-01.com.synology:gandalf-data", user: gandalf }] # one\n\n'],
  ['the last lines of a file without an end of line', /(luns:\n[\s\S]*?)\n\n([\s\S]*)$/, ''],
] as const) {
  test(`adopt into ${what}`, async () => {
    await using at = await open();
    const text = readFileSync(at.file, 'utf8');
    const [, luns, rest] = /\n(nas:[\s\S]*?)\n\n(# Without this section Flux[\s\S]*)$/.exec(text) ?? [];
    writeFileSync(at.file, to === '' ? `${text.slice(0, text.indexOf('\nnas:'))}\n${rest!}\n${luns!}` : text.replace(from, to));
    await byHand(at.desk, 'LUN', 'create', { name: 'LUN-1', size: GIB, type: 'BLUN', location: '/volume1' });
    const declared = (await at.reload()).cluster.nas!.luns.length;
    await adoptLun(at.host, await at.reload(), 'LUN-1');
    assert.deepEqual((await at.reload()).cluster.nas!.luns.slice(declared).map((lun) => lun.name), ['lun-1']);
    if (to !== '') assert.match(readFileSync(at.file, 'utf8'), /# (none yet|one)$/m);
    assert.match(readFileSync(at.file, 'utf8'), /# mine/);
  });
}

test('a LUN with CHAP keeps its user, and its owner is told where the secret goes', async () => {
  await using at = await open();
  const made = await byHand(at.desk, 'LUN', 'create', { name: 'gandalf-data', size: GIB, type: 'BLUN', location: '/volume1' });
  const target = await byHand(at.desk, 'Target', 'create', { name: 'old', iqn: 'iqn.2000-01.com.synology:old', auth_type: 1, user: 'frodo', password: SECRET });
  await byHand(at.desk, 'Target', 'map_lun', { target_id: String(target['target_id']), lun_uuids: [String(made['uuid'])] });
  writeFileSync(at.file, readFileSync(at.file, 'utf8').replace('- name: gandalf-data', '- name: other-data').replace('com.synology:gandalf-data', 'com.synology:other-data'));
  const { entry, next } = await adoptLun(at.host, await at.reload(), String(made['uuid']));
  assert.deepEqual([entry.name, entry.user, entry.size], ['gandalf-data', 'frodo', '1GiB']);
  assert.match(next[0]!, /credentials\.sops\.yaml as chap\.gandalf-data/);
});

test('everything that stands against adopting is told together, and the file stays as it was', async () => {
  await using at = await open();
  const facts = await at.reload();
  const nas = { ...facts.cluster.nas!, luns: [{ ...facts.cluster.nas!.luns[0]!, name: 'saruman-data' }] };
  await ensureStorage(at.host, nas, { ...credentials, chap: { 'saruman-data': SECRET } }, { ...claimant, cluster: 'saruman' });
  const before = readFileSync(at.file, 'utf8');
  const { iqn, user } = nas.luns[0]!;
  await withSession(at.host, { portal: `${ADDRESS}:3260`, iqn, user, secret: SECRET, initiator: 'iqn.2017-11.dev.talos:abcd' }, async () => {
    const error = await failure(adoptLun(at.host, facts, 'saruman-data'));
    assert.ok(error instanceof ManyErrors);
    assert.deepEqual(error.problems.map((each) => each.code), ['E_STORAGE_OTHER_CLUSTER', 'E_STORAGE_IN_USE']);
  });
  const unknown = await failure(adoptLun(at.host, facts, 'sarumandata'));
  assert.deepEqual([unknown.code, unknown.hint], ['E_STORAGE_NO_LUN', 'Did you mean saruman-data? There are: saruman-data.']);
  await byHand(at.desk, 'LUN', 'create', { name: 'odd', size: GIB + 512, type: 'BLUN', location: '/volume1' });
  assert.equal((await failure(adoptLun(at.host, facts, 'odd'))).code, 'E_STORAGE_SIZE');
  assert.equal((await failure(adoptLun(at.host, { ...facts, cluster: withoutNas(facts.cluster) }, 'odd'))).code, 'E_STORAGE_NO_NAS');
  const sibling = join(dirname(at.file), '..', 'dev');
  mkdirSync(sibling);
  const free = await byHand(at.desk, 'LUN', 'create', { name: 'free', size: GIB, type: 'BLUN', location: '/volume1' });
  writeFileSync(join(sibling, 'cluster.yaml'), `name: dev\nnas:\n  address: ${ADDRESS}\n  luns:\n    - { name: x, uuid: ${String(free['uuid'])} }\n`);
  const shared = await failure(adoptLun(at.host, facts, 'free'));
  assert.deepEqual([shared.code, shared.where.file], ['E_INVENTORY_LUN_SHARED', at.file]);
  assert.equal(readFileSync(at.file, 'utf8'), before);
});

function withoutNas({ nas: _nas, ...cluster }: Cluster): Cluster {
  return cluster;
}
