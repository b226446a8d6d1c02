import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseCorruption } from '../../../lab/nas/verdict.ts';
import { writeBlocks } from '../../../lib/iscsi/scsi.ts';
import { withSession } from '../../../lib/iscsi/session.ts';
import { ensureStorage } from '../../../storage/ensure.ts';
import { claimant, credentials, LUN, openDesk, SECRET } from '../../storage/support.ts';

const ADDRESS = '127.21.9.1';

test('two nodes writing one LUN at the same time fail the rehearsal, with both names', async () => {
  await using desk = await openDesk(ADDRESS, { https: false });
  await ensureStorage(desk.host, desk.nas, credentials, claimant);
  const as = (name: string) => ({ portal: `${ADDRESS}:3260`, iqn: LUN.iqn, user: LUN.user, secret: SECRET, initiator: `iqn.2017-11.dev.talos:${name}` });
  const block = Buffer.alloc(512, 7);
  await withSession(desk.host, as('one'), async (one) => { await writeBlocks(one, 1, 0, block); });
  refuseCorruption(desk.lab);
  await withSession(desk.host, as('one'), async (one) => {
    await writeBlocks(one, 1, 0, block);
    await withSession(desk.host, as('two'), async (two) => { await writeBlocks(two, 1, 8, block); });
  });
  assert.throws(() => refuseCorruption(desk.lab), { code: 'E_REHEARSAL_CORRUPTION', message: /talos:one and iqn\.2017-11\.dev\.talos:two wrote LUN gandalf-data/ });
});
