import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensureStorage } from '../../../storage/ensure.ts';
import { withSession } from '../../../lib/iscsi/session.ts';
import { writeBlocks } from '../../../lib/iscsi/scsi.ts';
import { byHand, credentials, failure, LUN, openDesk, SECRET } from '../../storage/support.ts';

const ADDRESS = '127.21.7.1';
const block = Buffer.alloc(512, 7);

function as(name: string) {
  return { portal: `${ADDRESS}:3260`, iqn: LUN.iqn, user: LUN.user, secret: SECRET, initiator: `iqn.2017-11.dev.talos:${name}` };
}

test('two machines writing on one LUN are noted; one after another they are not', async () => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials);
  await withSession(desk.host, as('old'), (session) => writeBlocks(session, 1, 0, block));
  await withSession(desk.host, as('new'), (session) => writeBlocks(session, 1, 0, block));
  assert.deepEqual(desk.lab.corruptions(), []);
  await withSession(desk.host, as('one'), async (one) => {
    await writeBlocks(one, 1, 0, block);
    await withSession(desk.host, as('two'), async (two) => {
      assert.deepEqual(desk.lab.sessions().map((session) => session.initiator.split(':')[1]), ['one', 'two']);
      await writeBlocks(two, 1, 0, block);
      await writeBlocks(two, 1, 8, block);
    });
  });
  assert.deepEqual(desk.lab.corruptions(), [{ lun: LUN.name, initiators: [as('one').initiator, as('two').initiator] }]);
  assert.deepEqual(desk.lab.sessions(), []);
});

test('max_sessions holds: the second initiator is turned away', async () => {
  await using desk = await openDesk(ADDRESS);
  await byHand(desk, 'Target', 'create', { name: LUN.name, iqn: LUN.iqn, auth_type: 1, user: LUN.user, password: SECRET });
  await withSession(desk.host, as('one'), async () => {
    const error = await failure(withSession(desk.host, as('two'), async () => {}));
    assert.equal(error.code, 'E_ISCSI_TARGET');
    assert.match(error.message, /as many sessions/);
  });
  await withSession(desk.host, as('two'), async () => {});
});

test('a NAS that is switched off drops every session', async () => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials);
  await withSession(desk.host, as('one'), async (session) => {
    await desk.lab.fail({ kind: 'refuse' });
    assert.equal((await failure(writeBlocks(session, 1, 0, block))).code, 'E_ISCSI_RESET');
  });
  assert.deepEqual(desk.lab.sessions(), []);
});
