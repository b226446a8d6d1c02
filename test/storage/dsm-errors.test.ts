import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dsmMeanings, isSessionNumber } from '../../storage/dsm/errors.ts';
import { ensureStorage } from '../../storage/ensure.ts';
import { credentials, everyWord, failure, openDesk, PASSWORD, SECRET, claimant, findingsOf } from './support.ts';

const ADDRESS = '127.21.1.1';

function logouts(requests: readonly { method: string }[]): number {
  return requests.filter((request) => request.method === 'logout').length;
}

test('every number of a SAN or common API becomes its coded error, creates nothing, and the log-out is sent', async (t) => {
  await using desk = await openDesk(ADDRESS);
  const table = { ...dsmMeanings.common, ...dsmMeanings.san };
  assert.ok(Object.keys(table).length >= 35);
  for (const [key, meaning] of Object.entries(table)) {
    const number = Number(key);
    await t.test(`${number}: ${meaning.code}`, async () => {
      const before = desk.lab.requests.length;
      await desk.lab.fail({ kind: 'dsm error', code: number, api: 'SYNO.Core.ISCSI.LUN', method: 'create' });
      const error = await failure(ensureStorage(desk.host, desk.nas, credentials, claimant));
      await desk.lab.fail(undefined);
      assert.equal(error.code, meaning.code);
      assert.equal(error.hint, meaning.hint);
      assert.match(error.message, new RegExp(`\\(${number}\\)`));
      const since = desk.lab.requests.slice(before);
      assert.equal(since.filter((request) => request.wrote).length, 0);
      assert.equal(since.filter((request) => request.method === 'login').length, isSessionNumber(number) ? 2 : 1);
      assert.equal(logouts(since), isSessionNumber(number) ? 2 : 1);
      assert.equal(desk.lab.openLogins(), 0);
      assert.deepEqual(desk.lab.luns(), []);
      assert.doesNotMatch(everyWord(error), new RegExp(`${PASSWORD}|${SECRET}`));
    });
  }
});

test('every number of the login is told at once, and the password is sent once only', async (t) => {
  await using desk = await openDesk(ADDRESS);
  for (const [key, meaning] of Object.entries(dsmMeanings.auth)) {
    await t.test(`${key}: ${meaning.code}`, async () => {
      const before = desk.lab.requests.length;
      await desk.lab.fail({ kind: 'dsm error', code: Number(key), api: 'SYNO.API.Auth', method: 'login' });
      const error = await failure(findingsOf(desk.host, desk.nas, credentials));
      await desk.lab.fail(undefined);
      assert.equal(error.code, meaning.code);
      assert.equal(error.hint, meaning.hint);
      assert.deepEqual(desk.lab.requests.slice(before).map((request) => request.method), ['query', 'login']);
      assert.doesNotMatch(everyWord(error), new RegExp(PASSWORD));
    });
  }
});

test('a number nobody documented is told with the number', async () => {
  await using desk = await openDesk(ADDRESS);
  await desk.lab.fail({ kind: 'dsm error', code: 18999999, api: 'SYNO.Core.ISCSI.LUN' });
  const error = await failure(findingsOf(desk.host, desk.nas, credentials));
  assert.equal(error.code, 'E_DSM_UNKNOWN');
  assert.match(error.message, /18999999/);
});

test('a wrong password is tried once, and the real NAS refusal is told', async () => {
  await using desk = await openDesk(ADDRESS);
  const error = await failure(findingsOf(desk.host, desk.nas, { ...credentials, nasPassword: 'canary-wrong-9' }));
  assert.equal(error.code, 'E_DSM_LOGIN');
  assert.equal(desk.lab.requests.filter((request) => request.method === 'login').length, 1);
  assert.doesNotMatch(everyWord(error), /canary-wrong-9/);
});

for (const number of [105, 106, 119]) {
  test(`a session lost once (${number}) is opened once again and the work goes on`, async () => {
    await using desk = await openDesk(ADDRESS);
    await desk.lab.fail({ kind: 'dsm error', code: number, api: 'SYNO.Core.ISCSI.LUN', method: 'create', times: 1 });
    await ensureStorage(desk.host, desk.nas, credentials, claimant);
    assert.equal(desk.lab.luns().length, 1);
    assert.equal(desk.lab.openLogins(), 0);
    assert.ok(desk.host.events.some((event) => event.code === 'storage.dsm.login-again'));
  });
}

test('the password travels in the body of a POST, never in a path', async () => {
  await using desk = await openDesk(ADDRESS);
  await findingsOf(desk.host, desk.nas, credentials);
  assert.ok(desk.lab.requests.length > 0);
  assert.deepEqual([...new Set(desk.lab.requests.map((request) => request.verb))], ['POST']);
});
