import assert from 'node:assert/strict';
import { test } from 'node:test';
import { iscsiProblem, loginProblem, loginStatuses } from '../../../lib/iscsi/errors.ts';
import { encodeText, header, NO_TAG, op } from '../../../lib/iscsi/pdu.ts';
import { openSession, withSession, type SessionOptions } from '../../../lib/iscsi/session.ts';
import { failure } from '../../storage/support.ts';
import { testHost } from '../../support/host.ts';
import { openPortal, READY, TARGET, type Script } from './portal.ts';

const ADDRESS = '127.100.12.3';
const OTHER = '127.100.12.4';
const to = { ...TARGET, portal: `${ADDRESS}:3260` };

/** A login against scripts, one for each connection; gives the error it ends with. */
async function loginFails(options: SessionOptions, ...scripts: Script[]) {
  const host = testHost();
  await using portal = await openPortal(ADDRESS, ...scripts);
  const error = await failure(openSession(host, { ...to, user: 'gandalf', secret: 'canarychap7413' }, options));
  host.remove();
  assert.deepEqual(portal.failures, []);
  return error;
}

const refuse = (status: number, ...keys: [string, string][]): Script => async (peer) => {
  await peer.receive(op.login);
  const head = header(op.loginResponse, 0, 1);
  head.writeUInt16BE(status, 36);
  peer.send(head, encodeText(keys));
};

test('every login status of RFC 7143 has its stage', () => {
  const codes = new Map(Object.keys(loginStatuses).map((status) => [Number(status), loginProblem(Number(status), to).code]));
  assert.equal(codes.size, 17);
  for (const [status, code] of [[0x0201, 'AUTH'], [0x0202, 'ACL'], [0x0203, 'TARGET'], [0x0206, 'TARGET'], [0x0300, 'TARGET'], [0x0301, 'TARGET']] as const) assert.equal(codes.get(status), `E_ISCSI_${code}`);
  assert.equal(loginProblem(0x0277, to).code, 'E_ISCSI_PROTOCOL');
  assert.match(iscsiProblem('mutual', to, 'x').hint, /write nothing/);
});

test('a redirect is followed once, and everything proven anew', async () => {
  const host = testHost();
  await using first = await openPortal(ADDRESS, refuse(0x0101, ['TargetAddress', `${OTHER}:3260,1`]));
  await using second = await openPortal(OTHER, async (peer) => {
    await peer.logIn();
    const logout = await peer.receive(op.logout);
    peer.send(header(op.logoutResponse, 0x80, logout.header.readUInt32BE(16)));
  });
  await withSession(host, to, async (session) => assert.equal(session.to.portal, `${OTHER}:3260`));
  host.remove();
  assert.deepEqual([first.failures, second.failures], [[], []]);
});

test('a redirect to nowhere, to a name, or in a circle is not followed', async () => {
  for (const address of ['', 'portal.example:3260,1', '[::1', `${ADDRESS}:99999`]) {
    const error = await loginFails({}, refuse(0x0102, ['TargetAddress', address]));
    assert.equal(error.code, 'E_ISCSI_PORTAL', address);
    assert.match(error.message, /moved for good/);
  }
  const back = refuse(0x0101, ['TargetAddress', `${ADDRESS}:3260,1`]);
  assert.match((await loginFails({}, back, back)).message, /circle/);
});

const says = (flags: number, ...keys: [string, string][]): Script => async (peer) => {
  await peer.receive(op.login);
  peer.send(header(op.loginResponse, flags, 1), encodeText(keys));
};
const first = says(0, ['AuthMethod', 'CHAP']);
const inTurn = (...scripts: Script[]): Script => async (peer) => { for (const script of scripts) await script(peer); };

/** What may answer a login instead of a target in order. */
const LOGINS: readonly (readonly [string, string, RegExp, Script, SessionOptions?])[] = [
  ['a web server', 'PORTAL', /iSCSI/, async (peer) => void peer.socket.end('HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>')],
  ['nothing but a hang-up', 'PORTAL', /hung up|ECONNRESET/, async (peer) => void peer.socket.end()],
  ['silence', 'PORTAL', /within 0.1 s/, async () => {}, { deadlineMs: 100 }],
  ['a unit of another kind', 'PORTAL', /iSCSI/, async (peer) => peer.send(header(op.response, 0x80, 1))],
  ['a reject', 'PROTOCOL', /rejects our login/, async (peer) => peer.send(header(op.reject, 0x80, NO_TAG))],
  ['CHAP with another digest only', 'AUTH', /MD5/, inTurn(first, says(0, ['CHAP_A', '7'], ['CHAP_I', '1'], ['CHAP_C', '0x0102']))],
  ['a CHAP challenge that is none', 'PROTOCOL', /challenge/, inTurn(first, says(0, ['CHAP_A', '5'], ['CHAP_I', '300'], ['CHAP_C', 'x']))],
  ['no end', 'PROTOCOL', /come to an end/, inTurn(says(0x81, ['AuthMethod', 'None']), ...Array.from({ length: 8 }, () => says(0x04)))],
  ['a text without end', 'PROTOCOL', /does not end/, inTurn(...Array.from({ length: 20 }, () => says(0x40, ['X', 'y'.repeat(4_000)])))],
  ['a digest it insists on', 'PROTOCOL', /HeaderDigest/, inTurn(says(0x81, ['AuthMethod', 'None']), says(0x87, ['HeaderDigest', 'CRC32C']))],
];

for (const [title, code, message, script, options] of LOGINS) {
  test(`to a login ${title} answers: E_ISCSI_${code}`, async () => {
    const error = await loginFails(options ?? {}, script);
    assert.equal(error.code, `E_ISCSI_${code}`, error.message);
    assert.match(error.message, message);
  });
}

test('a login answer in several units is put together', async () => {
  const host = testHost();
  await using portal = await openPortal(ADDRESS, inTurn(
    async (peer) => { await peer.receive(op.login); peer.send(header(op.loginResponse, 0x40, 1), Buffer.from('TargetPortalGroupTag=1\0AuthMet')); },
    async (peer) => { assert.equal((await peer.receive(op.login)).data.length, 0); peer.send(header(op.loginResponse, 0x81, 1), Buffer.from('hod=None\0')); },
    says(0x87, ['ImmediateData', 'No']),
    async (peer) => peer.good(await peer.receive(op.command)),
  ));
  const session = await openSession(host, { ...to, user: 'gandalf', secret: 'canarychap7413' });
  assert.equal(session.chap, false);
  assert.equal((await session.command({ cdb: READY, lun: 1 })).status, 0);
  session.drop();
  host.remove();
  assert.deepEqual(portal.failures, []);
});
