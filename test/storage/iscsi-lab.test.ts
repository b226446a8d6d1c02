import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { loginProblem, loginStatuses } from '../../lib/iscsi/errors.ts';
import { ensureStorage } from '../../storage/ensure.ts';
import { discoverTargets, firstDisk, proveLun, withTarget } from '../../storage/iscsi/prove.ts';
import { readBlocks, readCapacity, writeBlocks } from '../../lib/iscsi/scsi.ts';
import { withSession } from '../../lib/iscsi/session.ts';
import { byHand, credentials, everyWord, failure, LUN, openDesk, SECRET } from './support.ts';

const ADDRESS = '127.21.4.1';
const claim = { portal: `${ADDRESS}:3260`, iqn: LUN.iqn, user: LUN.user, secret: SECRET, expectedBytes: LUN.bytes, initiator: 'iqn.2026-11.local.test:desk' };

test('each way to fail has its code', async (t) => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials);
  const cases: readonly [string, string, Partial<typeof claim>][] = [
    ['a wrong secret', 'E_ISCSI_AUTH', { secret: 'canarywrong99' }],
    ['an unknown user', 'E_ISCSI_AUTH', { user: 'nobody' }],
    ['an unknown target beside others', 'E_ISCSI_TARGET', { iqn: 'iqn.2000-01.com.synology:absent' }],
    ['a port nobody listens at', 'E_ISCSI_CONNECT', { portal: `${ADDRESS}:3261` }],
    ['another size', 'E_ISCSI_LUN', { expectedBytes: LUN.bytes + 512 }],
  ];
  for (const [title, code, change] of cases) {
    await t.test(title, async () => {
      const error = await failure(proveLun(desk.host, { ...claim, ...change }));
      assert.equal(error.code, code);
      assert.ok(error.hint.length > 20);
      assert.doesNotMatch(everyWord(error), /canary/);
    });
  }
  await t.test('an initiator outside the ACL, as LIO tells it', async () => {
    await desk.lab.fail({ kind: 'deny initiators' });
    const error = await failure(proveLun(desk.host, claim));
    await desk.lab.fail(undefined);
    assert.equal(error.code, 'E_ISCSI_ACL');
    assert.match(error.message, /0x0202/);
  });
  await t.test('a portal that takes the connection and says nothing', async () => {
    await desk.lab.fail({ kind: 'hang' });
    const error = await failure(withSession(desk.host, claim, async () => {}, { deadlineMs: 150 }));
    await desk.lab.fail(undefined);
    assert.equal(error.code, 'E_ISCSI_PORTAL');
  });
  assert.deepEqual(desk.lab.sessions(), []);
});

test('a target without CHAP is no proof; one without a LUN has none', async () => {
  await using desk = await openDesk(ADDRESS);
  await byHand(desk, 'Target', 'create', { name: 'open', iqn: 'iqn.2000-01.com.synology:open', auth_type: 0 });
  await byHand(desk, 'Target', 'create', { name: 'empty', iqn: 'iqn.2000-01.com.synology:empty', auth_type: 1, user: LUN.user, password: SECRET });
  const open = await failure(proveLun(desk.host, { ...claim, iqn: 'iqn.2000-01.com.synology:open' }));
  assert.equal(open.code, 'E_ISCSI_AUTH');
  assert.match(open.message, /anybody/);
  assert.equal((await failure(proveLun(desk.host, { ...claim, iqn: 'iqn.2000-01.com.synology:empty' }))).code, 'E_ISCSI_LUN');
});

test('no target at all and an empty discovery: not allowed, or the IQN is wrong', async () => {
  await using desk = await openDesk(ADDRESS);
  assert.deepEqual(await discoverTargets(desk.host, claim), []);
  assert.equal((await failure(proveLun(desk.host, claim))).code, 'E_ISCSI_ACL');
});

test('every login status of RFC 7143 has its stage', () => {
  const codes = new Map(Object.keys(loginStatuses).map((status) => [Number(status), loginProblem(Number(status), claim).code]));
  assert.equal(codes.size, 17);
  assert.equal(codes.get(0x0201), 'E_ISCSI_AUTH');
  assert.equal(codes.get(0x0202), 'E_ISCSI_ACL');
  assert.equal(codes.get(0x0203), 'E_ISCSI_TARGET');
  assert.equal(codes.get(0x0300), 'E_ISCSI_TARGET');
  assert.equal(loginProblem(0x0277, claim).code, 'E_ISCSI_PROTOCOL');
});

test('blocks are written and read back, more than one burst, at both ends of the disk', async () => {
  await using desk = await openDesk(ADDRESS);
  await ensureStorage(desk.host, desk.nas, credentials);
  await withTarget(desk.host, claim, async (session) => {
    const lun = await firstDisk(session);
    const { blocks } = await readCapacity(session, lun);
    const data = randomBytes(700 * 1024);
    for (const first of [0, blocks - data.length / 512]) {
      await writeBlocks(session, lun, first, data);
      assert.deepEqual(await readBlocks(session, lun, first, data.length / 512), data);
    }
    const error = await failure(readBlocks(session, lun, blocks, 1));
    assert.equal(error.code, 'E_ISCSI_LUN');
    assert.match(error.message, /0x2100/);
  });
});

test('mutual CHAP: a target that proves itself is let in, one that can’t is not', async () => {
  await using desk = await openDesk(ADDRESS);
  await byHand(desk, 'Target', 'create', { name: LUN.name, iqn: LUN.iqn, auth_type: 2, user: LUN.user, password: SECRET, mutual_user: 'nas', mutual_password: 'canarymutual1' });
  await withSession(desk.host, claim, async (session) => assert.equal(session.chap, true), { mutual: { user: 'nas', secret: 'canarymutual1' } });
  const error = await failure(withSession(desk.host, claim, async () => {}, { mutual: { user: 'nas', secret: 'canarymutual2' } }));
  assert.equal(error.code, 'E_ISCSI_MUTUAL');
  assert.doesNotMatch(everyWord(error), /canary/);
});

test('what does not speak iSCSI is told so, and Ctrl+C ends a wait', async () => {
  const server = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>')).listen(3262, ADDRESS);
  await once(server, 'listening');
  await using desk = await openDesk(ADDRESS);
  try {
    assert.equal((await failure(proveLun(desk.host, { ...claim, portal: `${ADDRESS}:3262` }))).code, 'E_ISCSI_PORTAL');
    await desk.lab.fail({ kind: 'hang' });
    const waiting = proveLun(desk.host, claim);
    desk.host.abort.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
  } finally {
    server.close();
  }
});
