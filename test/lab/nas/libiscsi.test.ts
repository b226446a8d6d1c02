import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { testHost, type TestHost } from '../../support/host.ts';
import { openLabTarget, type LabTarget } from './target.ts';

const ADDRESS = '127.21.6.1';
const IQN = 'iqn.2000-01.com.synology:gandalf.data';
const SECRET = 'canarychap7413';
const BYTES = 64 * 1024 * 1024;
const DISK = `iscsi://gandalf%${SECRET}@${ADDRESS}/${IQN}/1`;
const skip = existsSync('/usr/bin/iscsi-ls') ? false : 'libiscsi’s tools are not installed (apt-get install libiscsi-bin)';

async function inTarget(use: (lab: LabTarget, tool: (name: string, ...args: string[]) => Promise<{ exitCode: number; text: string }>, host: TestHost) => Promise<void>): Promise<void> {
  const host = testHost();
  await using lab = await openLabTarget(ADDRESS);
  lab.add({ iqn: IQN, authType: 1, user: 'gandalf', password: SECRET }, await lab.lun(BYTES), await lab.lun(BYTES, 'second'));
  try {
    // The tools' URL holds the secret, in their argv: it is a test's own.
    await use(lab, async (name, ...args) => {
      const { exitCode, stdout, stderr } = await host.run({ program: `/usr/bin/${name}`, args, accept: 'any', timeoutMs: 60_000 });
      return { exitCode, text: stdout + stderr };
    }, host);
  } finally {
    host.remove();
  }
}

test('libiscsi’s tools read our target', { skip }, (t) => inTarget(async ({ state }, tool) => {
  await t.test('iscsi-ls finds the target and its disks', async () => {
    const { exitCode, text } = await tool('iscsi-ls', '-s', `iscsi://gandalf%${SECRET}@${ADDRESS}`);
    assert.equal(exitCode, 0, text);
    assert.match(text, new RegExp(`Target:${IQN} Portal:${ADDRESS}:3260,1`));
    assert.match(text, /Lun:1 +Type:DIRECT_ACCESS/);
    assert.match(text, /Lun:2 +Type:DIRECT_ACCESS/);
  });
  await t.test('iscsi-inq', async () => {
    const { exitCode, text } = await tool('iscsi-inq', DISK);
    assert.equal(exitCode, 0, text);
    assert.match(text, /Vendor:SYNOLOGY/);
    assert.match(text, /Product:Storage/);
  });
  const [uuid = 'none'] = state.luns.keys();
  for (const [page, expected] of [['0', /BLOCK_LIMITS/], ['128', new RegExp(uuid)], ['131', new RegExp(uuid)], ['176', /maximum transfer length:32768/i]] as const) {
    await t.test(`iscsi-inq, page ${page}`, async () => {
      const { exitCode, text } = await tool('iscsi-inq', '-e', '1', '-c', page, DISK);
      assert.equal(exitCode, 0, text);
      assert.match(text, expected);
    });
  }
  await t.test('iscsi-readcapacity16', async () => {
    const { exitCode, text } = await tool('iscsi-readcapacity16', DISK);
    assert.equal(exitCode, 0, text);
    assert.match(text, new RegExp(`Total size:${BYTES}`));
  });
  await t.test('a wrong secret is 0x0201, an unknown target or one switched off 0x0301, a LUN that is not there 0x2500', async () => {
    assert.match((await tool('iscsi-inq', DISK.replace(SECRET, 'wrongsecret99'))).text, /Authentication failure\(513\)/);
    assert.match((await tool('iscsi-inq', DISK.replace(IQN, `${IQN}.absent`))).text, /Service unavailable\(769\)/);
    const [target] = state.targets.values();
    Object.assign(target ?? {}, { enabled: false });
    assert.match((await tool('iscsi-inq', DISK)).text, /Service unavailable\(769\)/);
    assert.doesNotMatch((await tool('iscsi-ls', `iscsi://${ADDRESS}`)).text, new RegExp(IQN));
    Object.assign(target ?? {}, { enabled: true });
    assert.match((await tool('iscsi-readcapacity16', DISK.replace(/1$/, '7'))).text, /LOGICAL_UNIT_NOT_SUPPORTED\(0x2500\)/);
  });
  await t.test('an initiator outside the ACL is 0x0202, and is shown the target all the same; one inside is let in', async () => {
    state.fault = { kind: 'deny initiators', allowed: ['iqn.2026-11.local.test:allowed'] };
    assert.match((await tool('iscsi-inq', DISK)).text, /Authorization failure\(514\)/);
    assert.match((await tool('iscsi-ls', `iscsi://${ADDRESS}`)).text, new RegExp(IQN));
    assert.match((await tool('iscsi-inq', '-i', 'iqn.2026-11.local.test:allowed', DISK)).text, /Vendor:SYNOLOGY/);
    state.fault = undefined;
  });
  await t.test('mutual CHAP', async () => {
    for (const target of state.targets.values()) Object.assign(target, { authType: 2, mutualUser: 'nas', mutualPassword: 'canarymutual1' });
    const url = (secret: string) => `${DISK}?target_user=nas&target_password=${secret}`;
    assert.match((await tool('iscsi-inq', url('canarymutual1'))).text, /Vendor:SYNOLOGY/);
    assert.match((await tool('iscsi-inq', url('canarymutual2'))).text, /Invalid CHAP_R response/);
  });
}));

/** The families of `iscsi-test-cu` that a plain disk must pass, and the fewest checks each makes of one (`--list` shows the others: they are optional commands). */
const SUITES = {
  'SCSI.TestUnitReady': 1, 'SCSI.Inquiry': 200, 'SCSI.Mandatory': 5, 'SCSI.ModeSense6': 30, 'SCSI.ReadCapacity10': 1, 'SCSI.ReadCapacity16': 20,
  'SCSI.Read10': 2_000, 'SCSI.Read12': 1_500, 'SCSI.Read16': 2_000, 'SCSI.Write10': 1_500, 'SCSI.Write12': 1_500, 'SCSI.Write16': 1_500,
  'SCSI.WriteVerify16': 1_000, 'SCSI.Verify10': 4_000,
  'iSCSI.iSCSIdatasn': 4, 'iSCSI.iSCSIResiduals': 200, 'iSCSI.iSCSITMF': 17,
} as const;

test('libiscsi’s conformance suites pass on our target', { skip }, (t) => inTarget(async (_lab, tool) => {
  const conforms = async (suite: string, disk: string, least: number): Promise<void> => {
    const { exitCode, text } = await tool('iscsi-test-cu', '--dataloss', '--test', suite, disk);
    assert.equal(exitCode, 0, text);
    const [, ran, failed] = /asserts +(\d+) +\d+ +\d+ +(\d+) +n\/a/.exec(text) ?? [];
    assert.ok(Number(ran) >= least && failed === '0', text);
  };
  const slow = conforms('iSCSI.iSCSIcmdsn', DISK.replace(/1$/, '2'), 4); // waits two timeouts of its own, so beside the others
  for (const [suite, least] of Object.entries(SUITES)) await t.test(suite, () => conforms(suite, DISK, least));
  await t.test('iSCSI.iSCSIcmdsn', () => slow);
}));
