import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '../../../lib/conditions.ts';
import { openConnection } from '../../../lib/iscsi/connection.ts';
import { logIn } from '../../../lib/iscsi/login.ts';
import { openSession, withSession, type HeldSession } from '../../../lib/iscsi/session.ts';
import { readBlocks, writeBlocks } from '../../../lib/iscsi/scsi.ts';
import { sanMethods } from '../../../lab/nas/dsm/san.ts';
import { shownSessions } from '../../../lab/nas/iscsi/sessions.ts';
import { failure } from '../../storage/support.ts';
import { testHost } from '../../support/host.ts';
import { openLabTarget, type LabTarget } from './target.ts';

const ADDRESS = '127.100.9.1';
const IQN = 'iqn.2000-01.com.synology:gandalf.data';
const block = Buffer.alloc(512, 7);

function as(name: string) {
  return { portal: `${ADDRESS}:3260`, iqn: IQN, initiator: `iqn.2017-11.dev.talos:${name}` };
}

async function inTarget(use: (lab: LabTarget, open: (name: string) => Promise<HeldSession>, host: ReturnType<typeof testHost>) => Promise<void>, options: { maxSessions?: number; pingMs?: number } = {}): Promise<void> {
  const host = testHost();
  await using lab = await openLabTarget(ADDRESS, options.pingMs);
  lab.add({ iqn: IQN, maxSessions: options.maxSessions ?? 0 }, await lab.lun(8 * 1024 ** 2));
  try {
    await use(lab, (name) => openSession(host, as(name)), host);
  } finally {
    host.remove();
  }
}

const clash = (one: string, two: string) => [{ lun: 'data', initiators: [as(one).initiator, as(two).initiator] }];

test('two machines writing one LUN in sessions open at the same time: a corruption, told once', () => inTarget(async ({ state }, open) => {
  const [one, two] = [await open('one'), await open('two')];
  await writeBlocks(one, 1, 0, block);
  assert.deepEqual(state.corruptions, []);
  await writeBlocks(two, 1, 8, block);
  await writeBlocks(one, 1, 16, block);
  assert.deepEqual(state.corruptions, clash('one', 'two'));
  await one.logOut();
  await two.logOut();
}));

test('the first is gone when the second writes, but the second had the LUN open all along: a corruption', () => inTarget(async ({ state }, open) => {
  const [one, two] = [await open('one'), await open('two')];
  await writeBlocks(one, 1, 0, block);
  await one.logOut();
  assert.deepEqual(state.corruptions, []);
  await writeBlocks(two, 1, 0, block);
  assert.deepEqual(state.corruptions, clash('one', 'two'));
  await two.logOut();
}));

test('one after another is none, be the first logged out or its power cut; nor is one who only reads', () => inTarget(async ({ state }, open, host) => {
  for (const [name, end] of [['one', 'logOut'], ['two', 'drop'], ['three', 'logOut']] as const) {
    const session = await open(name);
    await writeBlocks(session, 1, 0, block);
    const desk = await open('desk');
    await readBlocks(desk, 1, 0, 1);
    await desk.logOut();
    await session[end]();
    await waitFor({ name: 'no session is left', hint: 'see the target', deadlineMs: 5_000, everyMs: 5, look: async () => (state.sessions.size === 0 ? { met: true, value: undefined } : { met: false, seen: String(state.sessions.size) }) }, host);
  }
  assert.deepEqual(state.corruptions, []);
}));

test('two sessions of one machine, and two LUNs of one target, are no corruption', () => inTarget(async (lab, open, host) => {
  const [again, other] = [await open('one'), await open('one')];
  for (const session of [again, other]) await writeBlocks(session, 1, 0, block);
  lab.add({ iqn: `${IQN}.two` }, await lab.lun(8 * 1024 ** 2, 'second'), await lab.lun(8 * 1024 ** 2, 'third'));
  const twoLuns = { ...as('two'), iqn: `${IQN}.two` };
  await withSession(host, twoLuns, (two) => withSession(host, { ...twoLuns, initiator: as('three').initiator }, async (three) => {
    await writeBlocks(two, 1, 0, block);
    await writeBlocks(three, 2, 0, block);
    assert.deepEqual(shownSessions(lab.state).map(({ initiator, luns, wrote }) => [initiator.split(':')[1], luns, wrote]), [
      ['one', ['data'], ['data']], ['one', ['data'], ['data']], ['two', ['second', 'third'], ['second']], ['three', ['second', 'third'], ['third']],
    ]);
  }));
  assert.deepEqual(lab.state.corruptions, []);
}));

test('what was written is in the LUN’s file, at its place', () => inTarget(async (lab, open) => {
  const session = await open('one');
  const data = randomBytes(300 * 1024);
  await writeBlocks(session, 1, 2_000, data);
  const [lun] = lab.state.luns.values();
  const file = readFileSync(join(lab.folder, `${lun?.uuid}.img`), { flag: 'r' }).subarray(2_000 * 512, 2_000 * 512 + data.length);
  assert.ok(file.equals(data));
  await session.logOut();
}));

test('max_sessions holds: the second initiator is turned away, and let in when the first has gone', () => inTarget(async (_lab, open) => {
  const one = await open('one');
  const error = await failure(open('two'));
  assert.equal(error.code, 'E_ISCSI_TARGET');
  assert.match(error.message, /as many sessions/);
  await one.logOut();
  await (await open('two')).logOut();
}, { maxSessions: 1 }));

test('a target switched off in SAN Manager drops its sessions: the holder learns it, and the next command says so', () => inTarget(async ({ state }, open) => {
  const one = await open('one');
  const [id] = state.targets.keys();
  await sanMethods['SYNO.Core.ISCSI.Target']?.['disable']?.run(state, new Map([['target_id', JSON.stringify(String(id))]]));
  assert.equal(((await one.ended) as { code?: string }).code, 'E_ISCSI_RESET');
  assert.equal((await failure(writeBlocks(one, 1, 0, block))).code, 'E_ISCSI_RESET');
  assert.equal(state.sessions.size, 0);
  assert.equal((await failure(open('one'))).code, 'E_ISCSI_TARGET');
}));

test('a held session outlives the target’s pings; one whose machine no longer answers is let go of', () => inTarget(async ({ state }, open, host) => {
  const alive = await open('alive');
  const mute = await openConnection(host, as('mute'));
  await logIn(mute, as('mute'), 5_000);
  assert.equal(state.sessions.size, 2);
  await waitFor({
    name: 'one session is left', hint: 'see the pings', deadlineMs: 10_000, everyMs: 20,
    look: async () => (state.sessions.size === 1 ? { met: true, value: undefined } : { met: false, seen: `${state.sessions.size} sessions` }),
  }, host);
  await readBlocks(alive, 1, 0, 1);
  assert.deepEqual([...state.sessions].map(({ initiator }) => initiator), [as('alive').initiator]);
  mute.close();
  await alive.logOut();
}, { pingMs: 50 }));
