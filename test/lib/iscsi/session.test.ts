import assert from 'node:assert/strict';
import { test } from 'node:test';
import { header, NO_TAG, op } from '../../../lib/iscsi/pdu.ts';
import { openSession } from '../../../lib/iscsi/session.ts';
import { failure } from '../../storage/support.ts';
import { testHost } from '../../support/host.ts';
import { openPortal, playing, READY, TARGET } from './portal.ts';

const ADDRESS = '127.100.13.1';
const to = { ...TARGET, portal: `${ADDRESS}:3260` };

test('a held session answers pings between commands, and takes the window they bring', () => playing(ADDRESS, async (peer) => {
  await peer.receive(op.command).then((command) => peer.good(command));
  const ping = header(op.nopIn, 0x80, NO_TAG);
  ping.writeUInt32BE(0x1234, 20);
  ping.writeUInt16BE(3, 8);
  peer.send(ping);
  const pong = await peer.receive(op.nopOut);
  assert.equal(pong.header.readUInt32BE(16), NO_TAG);
  assert.equal(pong.header.readUInt32BE(20), 0x1234);
  assert.equal(pong.header.readUInt16BE(8), 3);
  assert.equal(pong.header.readUInt8(0) & 0x40, 0x40);
  assert.equal(pong.header.readUInt32BE(28), 4, 'ExpStatSN is after two login answers and one command');
  peer.socket.end();
}, async (session) => {
  assert.equal((await session.command({ cdb: READY, lun: 1 })).status, 0);
  assert.equal(((await session.ended) as { code?: string }).code, 'E_ISCSI_RESET');
}));

test('a closed window holds the next command back until it opens; commands asked at once go one after another', () => playing(ADDRESS, async (peer) => {
  const first = await peer.receive(op.command);
  const number = first.header.readUInt32BE(24);
  peer.send(header(op.response, 0x80, first.header.readUInt32BE(16)), undefined, { window: number });
  const opening = header(op.nopIn, 0x80, NO_TAG);
  opening.writeUInt32BE(7, 20);
  peer.send(opening, undefined, { window: number });
  await peer.receive(op.nopOut); // and no command before it
  opening.writeUInt32BE(NO_TAG, 20);
  peer.send(opening, undefined, { window: number + 5 });
  for (const expected of [number + 1, number + 2]) {
    const command = await peer.receive(op.command);
    assert.equal(command.header.readUInt32BE(24), expected);
    peer.good(command);
  }
}, async (session) => {
  const answers = await Promise.all([1, 2, 3].map((lun) => session.command({ cdb: READY, lun })));
  assert.deepEqual(answers.map(({ status }) => status), [0, 0, 0]);
}, { agreed: {} }));

test('asked to log out, it does', () => playing(ADDRESS, async (peer) => {
  const head = header(op.asyncMessage, 0x80, NO_TAG);
  head[36] = 1;
  peer.send(head);
  await peer.receive(op.logout);
}, async (session) => {
  assert.equal(((await session.ended) as { code?: string }).code, 'E_ISCSI_RESET');
}));

test('logging out is answered or given up; after it the session is over', () => playing(ADDRESS, async (peer) => {
  const logout = await peer.receive(op.logout);
  peer.send(header(op.logoutResponse, 0x80, logout.header.readUInt32BE(16)));
}, async (session) => {
  await session.logOut();
  await session.logOut();
  assert.equal(await session.ended, undefined);
  assert.equal((await failure(session.command({ cdb: READY, lun: 1 }))).code, 'E_ISCSI_RESET');
}));

test('dropped like a power cut: no logout, a reset', () => playing(ADDRESS, async (peer) => {
  await assert.rejects(peer.receive(), (error: NodeJS.ErrnoException) => error.code === 'ECONNRESET');
}, async (session) => {
  session.drop();
  assert.equal(await session.ended, undefined);
}));

test('Ctrl+C ends a login, a command, and a session that is only held', async () => {
  for (const stage of ['login', 'command', 'held'] as const) {
    const host = testHost();
    await using portal = await openPortal(ADDRESS, async (peer) => {
      if (stage !== 'login') await peer.logIn();
      if (stage === 'held') return;
      await peer.receive();
      host.abort.abort();
    });
    const opening = openSession(host, to);
    if (stage === 'login') await assert.rejects(opening, { name: 'AbortError' });
    else if (stage === 'command') await assert.rejects((await opening).command({ cdb: READY, lun: 1 }), { name: 'AbortError' });
    else {
      const { ended } = await opening;
      host.abort.abort();
      assert.equal(((await ended) as Error).name, 'AbortError');
    }
    assert.deepEqual(portal.failures, []);
    host.remove();
  }
});
