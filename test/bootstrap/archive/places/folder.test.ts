import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { folderPlace } from '../../../../bootstrap/archive/places/folder.ts';
import { archiveTime } from '../../../../bootstrap/archive/places/place.ts';
import { teller } from '../../../../bootstrap/archive/places/transfer.ts';
import { archiveName } from '../../../../bootstrap/archive/types.ts';
import { testHost } from '../../../support/host.ts';
import { archiveFile, FIRST, holdsContract } from './contract.ts';

const root = mkdtempSync(join(tmpdir(), 'firstlight-places-'));
const path = join(root, 'backups');
after(() => rmSync(root, { recursive: true }));

holdsContract('folder', () => ({
  open: (host) => folderPlace(host, { name: 'disk', path, make: true, cluster: 'gandalf' }),
  names: () => readdirSync(path).sort(),
  strew: (name) => { mkdirSync(path, { recursive: true }); writeFileSync(join(path, name), 'x'); },
  secrets: [],
}));

test('a folder that is not there is not made where it may be a share that is not mounted', async () => {
  const host = testHost();
  const away = folderPlace(host, { name: 'disk', path: join(root, 'mnt/usb'), make: false, cluster: 'gandalf' });
  await assert.rejects(away.list(), { code: 'E_PLACE_FOLDER' });
  await assert.rejects(away.put(FIRST, archiveFile(host, 10)), { code: 'E_PLACE_FOLDER' });
  assert.deepEqual(readdirSync(root), ['backups']);
  writeFileSync(join(root, 'file'), '');
  await assert.rejects(folderPlace(host, { name: 'disk', path: join(root, 'file'), make: false, cluster: 'gandalf' }).list(), { code: 'E_PLACE_FOLDER' });
  host.remove();
});

test('a look makes nothing: a folder that would be made is empty until then', async () => {
  const host = testHost();
  assert.deepEqual(await folderPlace(host, { name: 'disk', path: join(root, 'later'), make: true, cluster: 'gandalf' }).list(), []);
  assert.ok(!readdirSync(root).includes('later'));
  host.remove();
});

test('an archive and its folder are the owner’s alone; what a killed writer left goes after a day', async () => {
  const host = testHost();
  const folder = join(root, 'fresh');
  const place = folderPlace(host, { name: 'disk', path: folder, make: true, cluster: 'gandalf' });
  mkdirSync(folder, { mode: 0o700 });
  const [old, young] = [`.${FIRST}.aaaaaaaaaaaa.part`, `.${FIRST}.bbbbbbbbbbbb.part`];
  for (const name of [old, young]) writeFileSync(join(folder, name), 'half');
  utimesSync(join(folder, old), Date.now() / 1000 - 90_000, Date.now() / 1000 - 90_000);
  await place.put(FIRST, archiveFile(host, 10));
  assert.deepEqual(readdirSync(folder).sort(), [young, FIRST].sort());
  assert.equal(statSync(join(folder, FIRST)).mode & 0o777, 0o600);
  host.remove();
});

test('a long transfer tells rate and time left, a short one nothing', () => {
  const events: { data?: Readonly<Record<string, unknown>> }[] = [];
  let now = 0;
  const tell = teller({ emit: (event) => void events.push(event), clock: { now: () => now, sleep: async () => {} } }, FIRST, 'upload', 1_000_000);
  for (; now <= 4_000; now += 100) tell(now * 100);
  assert.deepEqual(events[0], { code: 'archive.progress', message: FIRST, data: { phase: 'upload', bytes: 200_000, total: 1_000_000, rate: 100_000, secondsLeft: 8 } });
  assert.equal(events.length, 5);
});

test('an archive’s time is in its name, and only names of that very cluster are archives', () => {
  const at = Date.parse('2026-11-23T07:08:42.000Z');
  assert.equal(archiveTime('gandalf', archiveName('gandalf', at)), '2026-11-23T07:08:42.000Z');
  for (const name of ['gandalf-dev-20261123T070842Z.firstlight', 'gandalf-20261323T070842Z.firstlight', 'gandalf-20261123T070842Z.firstlight.part', '.gandalf-20261123T070842Z.firstlight']) assert.equal(archiveTime('gandalf', name), undefined);
  assert.equal(archiveTime('gandalf-dev', archiveName('gandalf-dev', at)), '2026-11-23T07:08:42.000Z');
});
