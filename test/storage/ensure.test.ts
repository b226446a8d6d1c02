import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManyErrors } from '../../lib/errors.ts';
import { ensureStorage } from '../../storage/ensure.ts';
import { DESK_INITIATOR } from '../../storage/findings.ts';
import { proveStorage } from '../../storage/look.ts';
import { firstDisk, withTarget } from '../../storage/iscsi/prove.ts';
import { readBlocks, writeBlocks } from '../../lib/iscsi/scsi.ts';
import { byHand, credentials, everyWord, failure, GIB, LUN, openDesk, PASSWORD, SECRET, type Desk, claimant, findingsOf, writesOf } from './support.ts';

const ADDRESS = '127.21.3.1';
const disk = { portal: `${ADDRESS}:3260`, iqn: LUN.iqn, initiator: DESK_INITIATOR, user: LUN.user, secret: SECRET };

function kinds(findings: readonly { kind: string }[]): string[] {
  return findings.map((finding) => finding.kind);
}

test('makes LUN, target, CHAP and mapping, proves them by a login, and writes nothing the second time', async () => {
  await using desk = await openDesk(ADDRESS);
  assert.deepEqual(kinds(await findingsOf(desk.host, desk.nas, credentials)), ['lun absent', 'target absent']);
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, desk.nas, credentials, claimant)), ['create', 'create', 'map_target']);
  assert.deepEqual(await findingsOf(desk.host, desk.nas, credentials), []);
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, desk.nas, credentials, claimant)), []);
  const [proof] = await proveStorage(desk.host, desk.nas, credentials, new Map());
  assert.equal(proof?.vendor, 'SYNOLOGY');
  assert.equal(proof?.product, 'Storage');
  assert.equal(proof?.bytes, 2 * GIB);
  assert.equal(proof?.serial, desk.lab.luns()[0]?.uuid);
  assert.deepEqual(desk.lab.sessions(), []);
  assert.equal(desk.lab.openLogins(), 0);
});

test('adopts a LUN with data as it stands: same uuid, same bytes, nothing created', async () => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials, claimant);
  const canary = Buffer.alloc(4096, 'the data of a lost cluster ');
  await withTarget(desk.host, disk, async (session) => await writeBlocks(session, await firstDisk(session), 2048, canary));
  const before = desk.lab.luns();
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, desk.nas, credentials, claimant)), []);
  assert.deepEqual(desk.lab.luns(), before);
  const kept = await withTarget(desk.host, disk, async (session) => await readBlocks(session, await firstDisk(session), 2048, 8));
  assert.deepEqual(kept, canary);
});

test('finishes what a crash left: a LUN without a target, a target without CHAP, mapping or sessions', async () => {
  await using desk = await openDesk(ADDRESS);
  await byHand(desk, 'LUN', 'create', { name: LUN.name, size: LUN.bytes, type: 'BLUN', location: '/volume1' });
  assert.deepEqual(kinds(await findingsOf(desk.host, desk.nas, credentials)), ['target absent']);
  const made = await byHand(desk, 'Target', 'create', { name: LUN.name, iqn: LUN.iqn, auth_type: 0 });
  await byHand(desk, 'Target', 'disable', { target_id: String(made['target_id']) });
  assert.deepEqual(kinds(await findingsOf(desk.host, desk.nas, credentials)), ['not mapped', 'chap off', 'few sessions', 'target disabled']);
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, desk.nas, credentials, claimant)), ['set', 'set', 'enable', 'map_target']);
  assert.equal(desk.lab.luns().length, 1);
});

test('grows a LUN, and refuses to shrink one without writing anything', async () => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials, claimant);
  const bigger = { ...desk.nas, luns: [{ ...LUN, bytes: 3 * GIB }] };
  assert.deepEqual(kinds(await findingsOf(desk.host, bigger, credentials)), ['lun smaller']);
  assert.deepEqual(await writesOf(desk, () => ensureStorage(desk.host, bigger, credentials, claimant)), ['set']);
  assert.equal(desk.lab.luns()[0]?.bytes, 3 * GIB);
  assert.deepEqual(kinds(await findingsOf(desk.host, desk.nas, credentials)), ['lun larger']);
  let code = '';
  assert.deepEqual(await writesOf(desk, async () => { code = (await failure(ensureStorage(desk.host, desk.nas, credentials, claimant))).code; }), []);
  assert.equal(code, 'E_STORAGE_SHRINK');
});

const conflicts: readonly [string, string, (desk: Desk) => Promise<void>][] = [
  ['a second target shows the LUN', 'E_STORAGE_SHARED', async (desk) => {
    await ensureStorage(desk.host, desk.nas, credentials, claimant);
    await byHand(desk, 'Target', 'create', { name: 'other', iqn: 'iqn.2000-01.com.synology:other', auth_type: 0 }).then((made) =>
      byHand(desk, 'Target', 'map_lun', { target_id: String(made['target_id']), lun_uuids: [desk.lab.luns()[0]?.uuid ?? ''] }));
  }],
  ['the IQN shows another LUN', 'E_STORAGE_IQN', async (desk) => {
    const lun = await byHand(desk, 'LUN', 'create', { name: 'other', size: GIB, type: 'BLUN', location: '/volume1' });
    const made = await byHand(desk, 'Target', 'create', { name: 'other', iqn: LUN.iqn, auth_type: 1, user: LUN.user, password: SECRET, max_sessions: 0 });
    await byHand(desk, 'Target', 'map_lun', { target_id: String(made['target_id']), lun_uuids: [String(lun['uuid'])] });
  }],
  ['the name belongs to a target of another IQN', 'E_STORAGE_NAME', async (desk) => {
    await byHand(desk, 'Target', 'create', { name: LUN.name, iqn: 'iqn.2000-01.com.synology:other', auth_type: 0 });
  }],
  ['the target has another CHAP user', 'E_STORAGE_CHAP_USER', async (desk) => {
    await byHand(desk, 'Target', 'create', { name: LUN.name, iqn: LUN.iqn, auth_type: 1, user: 'somebody', password: 'othersecret12' });
  }],
];

for (const [title, code, arrange] of conflicts) {
  test(`${title}: ${code}, and nothing is written`, async () => {
    await using desk = await openDesk(ADDRESS);
    await arrange(desk);
    const luns = desk.lab.luns();
    let error: Error | undefined;
    assert.deepEqual(await writesOf(desk, async () => { error = await failure(ensureStorage(desk.host, desk.nas, credentials, claimant)); }), []);
    assert.equal((error as { code?: string } | undefined)?.code, code);
    assert.deepEqual(desk.lab.luns(), luns);
  });
}

test('a wrong CHAP secret for an adopted target: told at the login, never overwritten', async () => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials, claimant);
  const wrong = { ...credentials, chap: { [LUN.name]: 'canarywrong99' } };
  const [finding] = await findingsOf(desk.host, desk.nas, wrong);
  assert.equal(finding?.kind, 'chap differs');
  let error: Error | undefined;
  assert.deepEqual(await writesOf(desk, async () => { error = await failure(ensureStorage(desk.host, desk.nas, wrong, claimant)); }), []);
  assert.equal((error as { code?: string } | undefined)?.code, 'E_ISCSI_AUTH');
  assert.doesNotMatch(everyWord(error), /canary/);
});

test('a NAS that spoils the secret it was given is noticed', async () => {
  await using desk = await openDesk(ADDRESS);
  await desk.lab.fail({ kind: 'wrong chap' });
  assert.equal((await failure(ensureStorage(desk.host, desk.nas, credentials, claimant))).code, 'E_ISCSI_AUTH');
});

test('a NAS that takes a change and does not keep it is not believed', async () => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials, claimant);
  await desk.lab.fail({ kind: 'forget', api: 'SYNO.Core.ISCSI.LUN', method: 'set' });
  const error = await failure(ensureStorage(desk.host, { ...desk.nas, luns: [{ ...LUN, bytes: 3 * GIB }] }, credentials, claimant));
  assert.deepEqual([error.code, /it has 2147483648 bytes, the cluster file says 3221225472/.test(error.message), /SAN Manager/.test(error.hint)], ['E_STORAGE_NOT_TAKEN', true, true]);
});

test('secrets are looked at before the NAS is asked: all that is wrong at once', async () => {
  await using desk = await openDesk(ADDRESS);
  const error = await failure(findingsOf(desk.host, desk.nas, { chap: { [LUN.name]: 'short' } }));
  assert.ok(error instanceof ManyErrors);
  assert.equal(error.code, 'E_STORAGE_SECRETS');
  assert.equal(error.problems.length, 2);
  assert.deepEqual(desk.lab.requests, []);
});

test('a volume that is not there is told with those that are', async () => {
  await using desk = await openDesk(ADDRESS);
  const error = await failure(ensureStorage(desk.host, { ...desk.nas, volume: '/volume9' }, credentials, claimant));
  assert.equal(error.code, 'E_STORAGE_VOLUME');
  assert.match(error.message, /\/volume1/);
});

test('an ext4 volume gets a LUN of a kind it can hold', async () => {
  await using desk = await openDesk(ADDRESS, { volume: { path: '/volume1', bytes: 8e12, fileSystem: 'ext4' } });
  await ensureStorage(desk.host, desk.nas, credentials, claimant);
  assert.deepEqual(await findingsOf(desk.host, desk.nas, credentials), []);
});

test('no secret is in any event, and the mask knows them all', async () => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials, claimant);
  await proveStorage(desk.host, desk.nas, credentials, new Map());
  assert.ok(desk.host.events.length >= 4);
  assert.doesNotMatch(JSON.stringify(desk.host.events), new RegExp(`${PASSWORD}|${SECRET}`));
  assert.doesNotMatch(desk.host.mask.hide(`${PASSWORD} ${SECRET}`), /canary/);
});
