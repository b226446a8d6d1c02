import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withSession } from '../../lib/iscsi/session.ts';
import type { Lun } from '../../nodes/cluster.ts';
import { ensureStorage } from '../../storage/ensure.ts';
import type { StorageCredentials } from '../../storage/secrets.ts';
import { byHand, claimant, credentials, everyWord, failure, findingsOf, GIB, LUN, openDesk, SECRET, writesOf, type Desk } from './support.ts';

// What is adopted and what is refused: by uuid, by the mark of another cluster, by who is connected, with mutual CHAP.

const ADDRESS = '127.21.4.1';
const UUID = '11111111-2222-4333-8444-555555555555';
const MUTUAL = 'canarymutual33';

function withLun(desk: Desk, change: Partial<Lun>) {
  return { ...desk.nas, luns: [{ ...LUN, ...change }] };
}

async function refusedWith(desk: Desk, nas: Desk['nas'], secrets: StorageCredentials = credentials, on = claimant) {
  const luns = desk.lab.luns();
  let error: Awaited<ReturnType<typeof failure>> | undefined;
  assert.deepEqual(await writesOf(desk, async () => { error = await failure(ensureStorage(desk.host, nas, secrets, on)); }), []);
  assert.deepEqual(desk.lab.luns(), luns);
  assert.equal(desk.lab.openLogins(), 0);
  return error!;
}

test('a LUN with the declared name and another uuid is refused with both, and none is made', async () => {
  await using desk = await openDesk(ADDRESS, { https: false });
  await ensureStorage(desk.host, desk.nas, credentials, claimant);
  const error = await refusedWith(desk, withLun(desk, { uuid: UUID }));
  assert.equal(error.code, 'E_STORAGE_UUID');
  assert.match(error.message, new RegExp(`${UUID}.*${desk.lab.luns()[0]!.uuid}`));
});

test('a declared uuid that the NAS does not have is never made anew', async () => {
  await using desk = await openDesk(ADDRESS, { https: false });
  const error = await refusedWith(desk, withLun(desk, { uuid: UUID }));
  assert.equal(error.code, 'E_STORAGE_UUID');
  assert.deepEqual(desk.lab.luns(), []);
});

test('a LUN that its owner made by hand is adopted by uuid, whatever its name on the NAS', async () => {
  await using desk = await openDesk(ADDRESS, { https: false });
  const made = await byHand(desk, 'LUN', 'create', { name: 'LUN-1', size: LUN.bytes, type: 'BLUN', location: '/volume1' });
  const nas = withLun(desk, { uuid: String(made['uuid']) });
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, nas, credentials, claimant)), ['create', 'map_target']);
  assert.deepEqual(await findingsOf(desk.host, nas, credentials), []);
  assert.deepEqual(desk.lab.luns().map((lun) => lun.uuid), [made['uuid']]);
});

test('a LUN that another cluster’s firstlight made is refused with that cluster’s name', async () => {
  await using desk = await openDesk(ADDRESS, { https: false });
  await ensureStorage(desk.host, desk.nas, credentials, { ...claimant, cluster: 'dev' });
  const error = await refusedWith(desk, desk.nas);
  assert.equal(error.code, 'E_STORAGE_OTHER_CLUSTER');
  assert.match(error.message, /belongs to the cluster dev/);
});

test('CHAP is not switched on over the head of whoever is connected without it', async () => {
  await using desk = await openDesk(ADDRESS, { https: false });
  const lun = await byHand(desk, 'LUN', 'create', { name: LUN.name, size: LUN.bytes, type: 'BLUN', location: '/volume1' });
  const target = await byHand(desk, 'Target', 'create', { name: LUN.name, iqn: LUN.iqn, auth_type: 0, max_sessions: 0 });
  await byHand(desk, 'Target', 'map_lun', { target_id: String(target['target_id']), lun_uuids: [String(lun['uuid'])] });
  await withSession(desk.host, { portal: `${ADDRESS}:3260`, iqn: LUN.iqn, initiator: 'iqn.1993-08.org.debian:somebody' }, async () => {
    const error = await refusedWith(desk, desk.nas);
    assert.equal(error.code, 'E_STORAGE_IN_USE');
    assert.match(error.message, /iqn\.1993-08\.org\.debian:somebody \(127\./);
  });
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, desk.nas, credentials, claimant)), ['set']);
});

test('max_sessions that are too few for the nodes and this look are lifted, others left alone', async () => {
  await using desk = await openDesk(ADDRESS, { https: false });
  await byHand(desk, 'Target', 'create', { name: LUN.name, iqn: LUN.iqn, auth_type: 1, user: LUN.user, password: SECRET, max_sessions: 4 });
  await ensureStorage(desk.host, desk.nas, credentials, { ...claimant, nodes: 3 });
  assert.deepEqual((await findingsOf(desk.host, desk.nas, credentials)).map((finding) => finding.kind), ['few sessions']);
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, desk.nas, credentials, claimant)), ['set']);
});

test('mutual CHAP: made, proven by the target, noticed when it fails, and switched on later', async (t) => {
  await using desk = await openDesk(ADDRESS, { https: false });
  const nas = withLun(desk, { mutualUser: 'synology' });
  const secrets = { ...credentials, mutualChap: { [LUN.name]: MUTUAL } };
  await t.test('both secrets are asked for, and they differ', async () => {
    const lacking = await failure(findingsOf(desk.host, nas, credentials));
    assert.match(lacking.hint, /mutualChap\.gandalf-data/);
    const same = await failure(findingsOf(desk.host, nas, { ...credentials, mutualChap: credentials.chap }));
    assert.match(same.message, /one secret for both directions/);
    assert.deepEqual(desk.lab.requests.filter((request) => request.method === 'login'), []);
  });
  await t.test('made and proven', async () => {
    assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, nas, secrets, claimant)), ['create', 'create', 'map_target']);
    assert.deepEqual(await findingsOf(desk.host, nas, secrets), []);
  });
  await t.test('a target that cannot prove itself is refused', async () => {
    const error = await refusedWith(desk, nas, { ...secrets, mutualChap: { [LUN.name]: 'canarywrong33' } });
    assert.match(error.code, /^E_ISCSI_(AUTH|MUTUAL)$/);
    assert.doesNotMatch(everyWord(error), /canary/);
  });
  await t.test('a cluster file without it is told to name it', async () => {
    const error = await refusedWith(desk, desk.nas);
    assert.equal(error.code, 'E_STORAGE_CHAP_USER');
    assert.match(error.hint, /mutualUser: synology/);
  });
  await t.test('one-way CHAP becomes mutual', async () => {
    const other = { ...LUN, name: 'other', iqn: `${LUN.iqn}.other`, bytes: GIB };
    const chap = { [LUN.name]: SECRET, other: SECRET };
    await ensureStorage(desk.host, { ...desk.nas, luns: [other] }, { ...secrets, chap }, claimant);
    const both = { ...desk.nas, luns: [{ ...other, mutualUser: 'synology' }] };
    assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, both, { ...secrets, chap, mutualChap: { other: MUTUAL } }, claimant)), ['set']);
  });
});
