import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readBlocks, writeBlocks } from '../../../lib/iscsi/scsi.ts';
import { withSession } from '../../../lib/iscsi/session.ts';
import { ensureStorage } from '../../../storage/ensure.ts';
import { claimant, credentials, findingsOf, LUN, openDesk, PASSWORD, SECRET, writesOf } from '../../storage/support.ts';

const ADDRESS = '127.21.12.1';

test('a NAS that is started again holds the same LUNs, data, CHAP, hosts and certificate, and no secret lies in a plain file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-nas-memory-'));
  const disk = { portal: `${ADDRESS}:3260`, iqn: LUN.iqn, user: LUN.user, secret: SECRET, initiator: 'iqn.2017-11.dev.talos:one' };
  try {
    let certificate: string | undefined;
    let uuid: string | undefined;
    {
      await using first = await openDesk(ADDRESS, { folder });
      await ensureStorage(first.host, first.nas, credentials, claimant);
      uuid = first.lab.luns()[0]!.uuid;
      first.lab.addHost({ name: 'gandalf', initiators: [disk.initiator], luns: [uuid] });
      await withSession(first.host, disk, (session) => writeBlocks(session, 1, 64, Buffer.alloc(512, 'canary')));
      certificate = first.nas.certificate;
    }
    for (const name of readdirSync(folder).filter((each) => !each.endsWith('.img'))) assert.ok(!readFileSync(join(folder, name)).toString('latin1').match(new RegExp(`${SECRET}|${PASSWORD}`)), name);
    await using second = await openDesk(ADDRESS, { folder });
    assert.equal(second.nas.certificate, certificate);
    assert.deepEqual(second.lab.luns().map((lun) => lun.uuid), [uuid]);
    assert.deepEqual(second.lab.hosts().map((host) => host.name), ['gandalf']);
    assert.deepEqual(await findingsOf(second.host, second.nas, credentials), []);
    assert.deepEqual(await writesOf(second, () => ensureStorage(second.host, second.nas, credentials, claimant)), []);
    assert.deepEqual(await withSession(second.host, disk, (session) => readBlocks(session, 1, 64, 1)), Buffer.alloc(512, 'canary'));

    // Its configuration is lost: the LUN and its data are not, and what is declared is made anew around it.
    await second.lab.forgetConfiguration();
    assert.deepEqual([second.lab.luns().map((lun) => lun.mapped), second.lab.hosts()], [[false], []]);
    await assert.rejects(withSession(second.host, disk, async () => {}));
    await ensureStorage(second.host, second.nas, credentials, claimant);
    assert.deepEqual(second.lab.luns().map((lun) => [lun.uuid, lun.mapped]), [[uuid, true]]);
    assert.deepEqual(await withSession(second.host, disk, (session) => readBlocks(session, 1, 64, 1)), Buffer.alloc(512, 'canary'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
