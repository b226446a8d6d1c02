import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { discoverTargets, firstDisk, proveLun, withTarget } from '../../storage/iscsi/prove.ts';
import { readBlocks, writeBlocks } from '../../lib/iscsi/scsi.ts';
import { withSession } from '../../lib/iscsi/session.ts';
import { testHost } from '../support/host.ts';
import { everyWord, failure } from './support.ts';
import { noTgt, openTgt } from './tgt.ts';

const ADDRESS = '127.21.5.1';
const IQN = 'iqn.2026-01.local.test:gandalf.data';
const BYTES = 64 * 1024 * 1024;
const claim = { portal: `${ADDRESS}:3260`, iqn: IQN, user: 'gandalf', secret: 'canarychap7413', expectedBytes: BYTES, initiator: 'iqn.2026-11.local.test:desk' };

test('our initiator against a real tgt, with CHAP and an ACL', { skip: noTgt }, async (t) => {
  const host = testHost();
  try {
    await using tgt = await openTgt(host, ADDRESS, BYTES);
    await tgt.admin('--op', 'new', '--mode', 'target', '--tid', '1', '-T', IQN);
    await tgt.admin('--op', 'new', '--mode', 'logicalunit', '--tid', '1', '--lun', '1', '-b', tgt.image);
    await tgt.admin('--op', 'update', '--mode', 'logicalunit', '--tid', '1', '--lun', '1', '--params', 'vendor_id=SYNOLOGY,product_id=Storage,scsi_sn=0123456789');
    await tgt.admin('--op', 'new', '--mode', 'account', '--user', claim.user, '--password', claim.secret);
    await tgt.admin('--op', 'bind', '--mode', 'account', '--tid', '1', '--user', claim.user);
    await tgt.admin('--op', 'bind', '--mode', 'target', '--tid', '1', '-Q', claim.initiator);

    await t.test('proves the LUN, past the controller at 0', async () => {
      assert.deepEqual(await proveLun(host, claim), { vendor: 'SYNOLOGY', product: 'Storage', serial: '0123456789', bytes: BYTES, lun: 1 });
      assert.deepEqual(await discoverTargets(host, claim), [IQN]);
    });
    await t.test('a wrong secret, an unknown user: CHAP', async () => {
      for (const change of [{ secret: 'canarywrong99' }, { user: 'nobody' }]) {
        const error = await failure(proveLun(host, { ...claim, ...change }));
        assert.equal(error.code, 'E_ISCSI_AUTH');
        assert.doesNotMatch(everyWord(error), /canary/);
      }
    });
    await t.test('an initiator outside the ACL: not found and an empty discovery', async () => {
      const error = await failure(proveLun(host, { ...claim, initiator: 'iqn.2026-11.local.test:stranger' }));
      assert.equal(error.code, 'E_ISCSI_ACL');
    });
    await t.test('an unknown target beside one that is shown', async () => {
      assert.equal((await failure(proveLun(host, { ...claim, iqn: `${IQN}.absent` }))).code, 'E_ISCSI_TARGET');
    });
    await t.test('another size than declared', async () => {
      assert.equal((await failure(proveLun(host, { ...claim, expectedBytes: BYTES * 2 }))).code, 'E_ISCSI_LUN');
    });
    await t.test('a port nobody listens at', async () => {
      assert.equal((await failure(proveLun(host, { ...claim, portal: `${ADDRESS}:3269` }))).code, 'E_ISCSI_CONNECT');
    });
    await t.test('blocks written are in the image, and read back', async () => {
      const data = randomBytes(600 * 1024);
      await withTarget(host, claim, async (session) => {
        const lun = await firstDisk(session);
        await writeBlocks(session, lun, 64, data);
        assert.deepEqual(await readBlocks(session, lun, 64, data.length / 512), data);
      });
      const file = await open(tgt.image);
      const { buffer } = await file.read(Buffer.alloc(data.length), 0, data.length, 64 * 512);
      await file.close();
      assert.deepEqual(buffer, data);
    });
    await t.test('mutual CHAP', async () => {
      await tgt.admin('--op', 'new', '--mode', 'account', '--user', 'nas', '--password', 'canarymutual1');
      await tgt.admin('--op', 'bind', '--mode', 'account', '--tid', '1', '--user', 'nas', '--outgoing');
      await withSession(host, claim, async (session) => assert.equal(session.chap, true), { mutual: { user: 'nas', secret: 'canarymutual1' } });
      assert.equal((await failure(withSession(host, claim, async () => {}, { mutual: { user: 'nas', secret: 'canarymutual2' } }))).code, 'E_ISCSI_MUTUAL');
    });
    await t.test('a target switched off', async () => {
      await tgt.admin('--op', 'update', '--mode', 'target', '--tid', '1', '--name', 'state', '--value', 'offline');
      assert.equal((await failure(proveLun(host, claim))).code, 'E_ISCSI_TARGET');
    });
  } finally {
    host.remove();
  }
});
