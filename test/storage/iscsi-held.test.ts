import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openConnection } from '../../lib/iscsi/connection.ts';
import { logIn } from '../../lib/iscsi/login.ts';
import { readBlocks } from '../../lib/iscsi/scsi.ts';
import { openSession } from '../../lib/iscsi/session.ts';
import { testHost } from '../support/host.ts';
import { failure } from './support.ts';
import { noTgt, openTgt } from './tgt.ts';

const ADDRESS = '127.21.5.2';
const IQN = 'iqn.2026-01.local.test:held';
const as = (name: string) => ({ portal: `${ADDRESS}:3260`, iqn: IQN, initiator: `iqn.2026-11.local.test:${name}` });

test('a held session outlives a real tgt’s pings, which end one that does not answer', { skip: noTgt }, async () => {
  const host = testHost();
  await using tgt = await openTgt(host, ADDRESS, 8 * 1024 * 1024);
  await tgt.admin('--op', 'new', '--mode', 'target', '--tid', '1', '-T', IQN);
  await tgt.admin('--op', 'new', '--mode', 'logicalunit', '--tid', '1', '--lun', '1', '-b', tgt.image);
  await tgt.admin('--op', 'bind', '--mode', 'target', '--tid', '1', '-I', 'ALL');
  for (const [name, value] of [['nop_interval', '1'], ['nop_count', '2']] as const) await tgt.admin('--op', 'update', '--mode', 'target', '--tid', '1', '--name', name, '--value', value);
  const alive = await openSession(host, as('alive'));
  const mute = await openConnection(host, as('mute'));
  await logIn(mute, as('mute'), 5_000);
  const untilDropped = async (): Promise<never> => {
    for (;;) await mute.receive(10_000); // its pings come, and none is answered
  };
  assert.match((await failure(untilDropped())).message, /hung up|ECONNRESET/);
  assert.equal((await readBlocks(alive, 1, 0, 4)).length, 2_048);
  await alive.logOut();
  assert.equal(await alive.ended, undefined);
  host.remove();
});
