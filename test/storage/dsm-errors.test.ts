import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dsmMeanings, isSessionNumber } from '../../storage/dsm/errors.ts';
import { ensureStorage } from '../../storage/ensure.ts';
import { claimant, credentials, everyWord, failure, findingsOf, LUN, openDesk, PASSWORD, SECRET, type Desk } from './support.ts';

// The numbers as the SAN clients in public know them (synology-csi, democratic-csi, synology-api), written out by hand: what each
// must be told as, and where in the conversation it comes.

const ADDRESS = '127.21.1.1';
const VOLUME = ['Storage.Volume', 'list'] as const;
const LUNS = ['ISCSI.LUN', 'list'] as const;
const TARGETS = ['ISCSI.Target', 'list'] as const;
const HOSTS = ['ISCSI.Host', 'list'] as const;
const CREATE_LUN = ['ISCSI.LUN', 'create'] as const;
const CREATE_TARGET = ['ISCSI.Target', 'create'] as const;
const MAP = ['ISCSI.LUN', 'map_target'] as const;

const TABLE: readonly (readonly [number, readonly [string, string], string, RegExp])[] = [
  [100, CREATE_LUN, 'E_DSM_UNKNOWN', /Log Center/],
  [101, CREATE_LUN, 'E_DSM_REQUEST', /report it/],
  [102, LUNS, 'E_DSM_NO_API', /Install SAN Manager/],
  [103, MAP, 'E_DSM_NO_METHOD', /report it/],
  [104, TARGETS, 'E_DSM_VERSION', /report it/],
  [105, LUNS, 'E_DSM_PERMISSION', /group administrators/],
  [105, CREATE_LUN, 'E_DSM_PERMISSION', /group administrators/],
  [106, CREATE_LUN, 'E_DSM_SESSION', /Run again/],
  [106, CREATE_TARGET, 'E_DSM_SESSION', /Run again/],
  [106, MAP, 'E_DSM_SESSION', /Run again/],
  [107, CREATE_TARGET, 'E_DSM_DUPLICATE_LOGIN', /account of its own/],
  [109, VOLUME, 'E_DSM_BUSY', /Wait a minute/],
  [109, HOSTS, 'E_DSM_BUSY', /Wait a minute/],
  [114, CREATE_LUN, 'E_DSM_REQUEST', /report it/],
  [119, VOLUME, 'E_DSM_SESSION', /Run again/],
  [119, CREATE_TARGET, 'E_DSM_SESSION', /Run again/],
  [150, TARGETS, 'E_DSM_ADDRESS', /one way only/],
  [18990002, CREATE_LUN, 'E_DSM_NO_SPACE', /Free space/],
  [18990004, CREATE_TARGET, 'E_DSM_REQUEST', /report it/],
  [18990318, CREATE_LUN, 'E_DSM_LUN_TYPE', /Btrfs volume/],
  [18990327, VOLUME, 'E_DSM_VOLUME', /Storage Manager/],
  [18990500, CREATE_LUN, 'E_DSM_LUN_TYPE', /report it/],
  [18990501, CREATE_LUN, 'E_DSM_VOLUME', /volume that exists/],
  [18990502, CREATE_LUN, 'E_DSM_LUN_SIZE', /whole MiB/],
  [18990503, CREATE_LUN, 'E_DSM_LUN_NAME', /letters, digits and hyphens/],
  [18990505, MAP, 'E_DSM_NO_LUN', /SAN Manager/],
  [18990531, MAP, 'E_DSM_NO_LUN', /SAN Manager/],
  [18990538, CREATE_LUN, 'E_DSM_LUN_EXISTS', /run again to adopt/],
  [18990541, CREATE_LUN, 'E_DSM_LUN_LIMIT', /Delete a LUN that nobody needs/],
  [18990542, CREATE_TARGET, 'E_DSM_TARGET_LIMIT', /Delete a target that nobody needs/],
  [18990543, CREATE_LUN, 'E_DSM_SNAPSHOT_LIMIT', /old snapshots/],
  [18990619, LUNS, 'E_DSM_REQUEST', /report it/],
  [18990622, CREATE_LUN, 'E_DSM_REQUEST', /report it/],
  [18990700, CREATE_TARGET, 'E_DSM_TARGET_NAME', /letters, digits and hyphens/],
  [18990702, CREATE_TARGET, 'E_DSM_CHAP', /report it/],
  [18990708, CREATE_TARGET, 'E_DSM_CHAP', /12 to 16/],
  [18990710, MAP, 'E_DSM_NO_TARGET', /SAN Manager/],
  [18990722, MAP, 'E_DSM_NO_TARGET', /SAN Manager/],
  [18990724, TARGETS, 'E_DSM_NO_TARGET', /SAN Manager/],
  [18990744, CREATE_TARGET, 'E_DSM_TARGET_EXISTS', /Rename that target/],
  [18990745, CREATE_TARGET, 'E_DSM_IQN_EXISTS', /another IQN/],
  [18999999, CREATE_LUN, 'E_DSM_UNKNOWN', /Log Center/],
];

const AUTH: readonly (readonly [number, string, RegExp])[] = [
  [400, 'E_DSM_LOGIN', /tried once only/], [401, 'E_DSM_ACCOUNT', /Enable the account/], [402, 'E_DSM_PERMISSION', /application DSM/],
  [403, 'E_DSM_SECOND_FACTOR', /without 2-factor/], [404, 'E_DSM_SECOND_FACTOR', /without 2-factor/], [406, 'E_DSM_SECOND_FACTOR', /Exempt the account/],
  [407, 'E_DSM_BLOCKED', /Unblock it/], [408, 'E_DSM_EXPIRED', /new password/], [409, 'E_DSM_EXPIRED', /new password/],
  [410, 'E_DSM_EXPIRED', /change the password/], [411, 'E_DSM_LOCKED', /Unlock the account/],
];

test('the tables here hold every number that the client knows', () => {
  const numbers = (table: object): number[] => Object.keys(table).map(Number).toSorted((a, b) => a - b);
  const known = numbers({ ...dsmMeanings.common, ...dsmMeanings.san });
  assert.deepEqual([...new Set(TABLE.map(([number]) => number))].filter((number) => number !== 18999999).toSorted((a, b) => a - b), known);
  assert.deepEqual(AUTH.map(([number]) => number), numbers(dsmMeanings.auth));
});

/** The requests from a moment on: how often a method was called with success, and the log-ins and log-outs. */
function since(desk: Desk, moment: number) {
  const requests = desk.lab.requests.slice(moment);
  return (method: string, api = ''): number => requests.filter((request) => request.method === method && request.code === 0 && request.api.endsWith(api)).length;
}

test('every number: its coded error with what to do, the log-out sent, and nothing created twice when it is run again', async (t) => {
  await using desk = await openDesk(ADDRESS, { https: false });
  for (const [index, [number, [api, method], code, hint]] of TABLE.entries()) {
    await t.test(`${number} at ${api} ${method}: ${code}`, async () => {
      const name = `lun-${index}`;
      const nas = { ...desk.nas, luns: [{ ...LUN, name, iqn: `iqn.2000-01.com.synology:${name}` }] };
      const secrets = { ...credentials, chap: { [name]: SECRET } };
      const [before, luns] = [desk.lab.requests.length, desk.lab.luns().length];
      await desk.lab.fail({ kind: 'dsm error', code: number, api: `SYNO.Core.${api}`, method });
      const error = await failure(ensureStorage(desk.host, nas, secrets, claimant));
      await desk.lab.fail(undefined);
      assert.equal(error.code, code);
      assert.match(error.hint, hint);
      assert.match(error.message, new RegExp(`\\b${number}\\b`));
      assert.doesNotMatch(everyWord(error), new RegExp(`${PASSWORD}|${SECRET}`));
      const failed = since(desk, before);
      assert.equal(failed('login'), isSessionNumber(number) ? 2 : 1);
      assert.equal(failed('logout'), failed('login'));
      assert.equal(desk.lab.openLogins(), 0);
      await ensureStorage(desk.host, nas, secrets, claimant);
      const whole = since(desk, before);
      assert.deepEqual([whole('create', 'LUN'), whole('create', 'Target'), whole('map_target')], [1, 1, 1]);
      assert.equal(desk.lab.luns().length, luns + 1);
      assert.equal(desk.lab.openLogins(), 0);
    });
  }
  assert.deepEqual([...new Set(desk.lab.requests.filter((request) => request.wrote).map((request) => request.method))].toSorted(), ['create', 'map_target']);
});

test('every number of the login: told at once, and the password is sent once only', async (t) => {
  await using desk = await openDesk(ADDRESS, { https: false });
  for (const [number, code, hint] of AUTH) {
    await t.test(`${number}: ${code}`, async () => {
      const before = desk.lab.requests.length;
      await desk.lab.fail({ kind: 'dsm error', code: number, api: 'SYNO.API.Auth', method: 'login' });
      const error = await failure(findingsOf(desk.host, desk.nas, credentials));
      await desk.lab.fail(undefined);
      assert.equal(error.code, code);
      assert.match(error.hint, hint);
      assert.deepEqual(desk.lab.requests.slice(before).map((request) => request.method), ['query', 'login']);
      assert.doesNotMatch(everyWord(error), new RegExp(PASSWORD));
    });
  }
});

test('a wrong password is tried once, and the real NAS refusal is told', async () => {
  await using desk = await openDesk(ADDRESS, { https: false });
  const error = await failure(findingsOf(desk.host, desk.nas, { ...credentials, nasPassword: 'canary-wrong-9' }));
  assert.equal(error.code, 'E_DSM_LOGIN');
  assert.equal(desk.lab.requests.filter((request) => request.method === 'login').length, 1);
  assert.doesNotMatch(everyWord(error), /canary-wrong-9/);
});

for (const number of [105, 106, 119]) {
  test(`a session lost once (${number}) is opened once again and the work goes on`, async () => {
    await using desk = await openDesk(ADDRESS, { https: false });
    await desk.lab.fail({ kind: 'dsm error', code: number, api: 'SYNO.Core.ISCSI.LUN', method: 'create', times: 1 });
    await ensureStorage(desk.host, desk.nas, credentials, claimant);
    assert.equal(desk.lab.luns().length, 1);
    assert.equal(desk.lab.openLogins(), 0);
    assert.ok(desk.host.events.some((event) => event.code === 'storage.dsm.login-again'));
  });
}

for (const [api, method] of [CREATE_LUN, CREATE_TARGET, MAP]) {
  test(`an answer cut off after ${api} ${method} was done: nothing is asked twice, and the next run adopts what is there`, async () => {
    await using desk = await openDesk(ADDRESS, { https: false });
    await desk.lab.fail({ kind: 'cut', api: `SYNO.Core.${api}`, method });
    assert.equal((await failure(ensureStorage(desk.host, desk.nas, credentials, claimant))).code, 'E_DSM_UNREACHABLE');
    await desk.lab.fail(undefined);
    assert.equal(desk.lab.openLogins(), 0);
    await ensureStorage(desk.host, desk.nas, credentials, claimant);
    const whole = since(desk, 0);
    assert.deepEqual([whole('create', 'LUN'), whole('create', 'Target'), whole('map_target')], [1, 1, 1]);
  });
}

test('the password travels in the body of a POST, never in a path', async () => {
  await using desk = await openDesk(ADDRESS);
  await findingsOf(desk.host, desk.nas, credentials);
  assert.ok(desk.lab.requests.length > 0);
  assert.deepEqual([...new Set(desk.lab.requests.map((request) => request.verb))], ['POST']);
});
