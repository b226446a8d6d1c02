import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { ensureStorage } from '../../../storage/ensure.ts';
import { credentials, LUN, openDesk, SECRET, type Desk, claimant } from '../../storage/support.ts';

const ADDRESS = '127.21.6.1';
const DISK = `iscsi://${LUN.user}%${SECRET}@${ADDRESS}/${LUN.iqn}/1`;
const skip = existsSync('/usr/bin/iscsi-ls') ? false : 'libiscsi’s tools are not installed (apt-get install libiscsi-bin)';

/** Runs a libiscsi tool. Its URL holds the secret, in its argv: it is a test's own secret. */
async function tool(desk: Desk, name: string, ...args: string[]): Promise<{ exitCode: number; text: string }> {
  const { exitCode, stdout, stderr } = await desk.host.run({ program: `/usr/bin/${name}`, args, accept: 'any', timeoutMs: 60_000 });
  return { exitCode, text: stdout + stderr };
}

test('libiscsi’s tools read our target', { skip }, async (t) => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials, claimant);
  await t.test('iscsi-ls finds the target and its disk', async () => {
    const { exitCode, text } = await tool(desk, 'iscsi-ls', '-s', `iscsi://${LUN.user}%${SECRET}@${ADDRESS}`);
    assert.equal(exitCode, 0, text);
    assert.match(text, new RegExp(`Target:${LUN.iqn} Portal:${ADDRESS}:3260,1`));
    assert.match(text, /Lun:1 +Type:DIRECT_ACCESS/);
  });
  await t.test('iscsi-inq', async () => {
    const { exitCode, text } = await tool(desk, 'iscsi-inq', DISK);
    assert.equal(exitCode, 0, text);
    assert.match(text, /Vendor:SYNOLOGY/);
    assert.match(text, /Product:Storage/);
  });
  const uuid = desk.lab.luns()[0]?.uuid ?? 'none';
  for (const [page, expected] of [['0', /BLOCK_LIMITS/], ['128', new RegExp(uuid)], ['131', new RegExp(uuid)], ['176', /maximum transfer length:32768/i]] as const) {
    await t.test(`iscsi-inq, page ${page}`, async () => {
      const { exitCode, text } = await tool(desk, 'iscsi-inq', '-e', '1', '-c', page, DISK);
      assert.equal(exitCode, 0, text);
      assert.match(text, expected);
    });
  }
  await t.test('iscsi-readcapacity16', async () => {
    const { exitCode, text } = await tool(desk, 'iscsi-readcapacity16', DISK);
    assert.equal(exitCode, 0, text);
    assert.match(text, new RegExp(`Total size:${LUN.bytes}`));
  });
  await t.test('a wrong secret is 0x0201, an unknown target 0x0203, a LUN that is not there 0x2500', async () => {
    assert.match((await tool(desk, 'iscsi-inq', DISK.replace(SECRET, 'wrongsecret99'))).text, /Authentication failure\(513\)/);
    assert.match((await tool(desk, 'iscsi-inq', DISK.replace(LUN.iqn, `${LUN.iqn}.absent`))).text, /Target not found\(515\)/);
    assert.match((await tool(desk, 'iscsi-readcapacity16', DISK.replace(/1$/, '7'))).text, /LOGICAL_UNIT_NOT_SUPPORTED\(0x2500\)/);
  });
  await t.test('an initiator outside the ACL is 0x0202, and is shown the target all the same', async () => {
    await desk.lab.fail({ kind: 'deny initiators' });
    assert.match((await tool(desk, 'iscsi-inq', DISK)).text, /Authorization failure\(514\)/);
    assert.match((await tool(desk, 'iscsi-ls', `iscsi://${ADDRESS}`)).text, new RegExp(LUN.iqn));
    await desk.lab.fail(undefined);
  });
});

const SUITES = [
  'SCSI.TestUnitReady', 'SCSI.Inquiry', 'SCSI.ReadCapacity10', 'SCSI.ReadCapacity16.Simple', 'SCSI.ReadCapacity16.Alloclen', 'SCSI.ModeSense6',
  'SCSI.Read10', 'SCSI.Read16', 'SCSI.Write10', 'SCSI.Write16', 'SCSI.Mandatory', 'iSCSI.iSCSIcmdsn', 'iSCSI.iSCSIdatasn', 'iSCSI.iSCSIResiduals', 'iSCSI.iSCSITMF',
];

test('libiscsi’s conformance suites pass on our target', { skip }, async (t) => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials, claimant);
  for (const suite of SUITES) {
    await t.test(suite, async () => {
      const { exitCode, text } = await tool(desk, 'iscsi-test-cu', '--dataloss', '--test', suite, DISK);
      assert.equal(exitCode, 0, text);
      assert.match(text, /asserts +[1-9]\d* +\d+ +\d+ +0 +n\/a/, text);
    });
  }
});
