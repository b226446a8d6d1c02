import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Place } from '../../../bootstrap/archive/places/place.ts';
import { prune } from '../../../bootstrap/archive/prune.ts';
import { testHost } from '../../support/host.ts';
import { retention, type Kept, type KeepPolicy } from '../../../bootstrap/archive/retention.ts';

const NOW = Date.parse('2026-11-23T12:00:00.000Z');
const DAY = 86_400_000;
const none: KeepPolicy = { last: 0, daily: 0, weekly: 0, monthly: 0 };
const archive = (ms: number, verified = false): Kept => ({ name: `gandalf-${new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '')}.firstlight`, at: new Date(ms).toISOString(), verified });

/** Two a day for 100 days back, newest at NOW. */
const many = Array.from({ length: 200 }, (_, index) => archive(NOW - index * DAY / 2));

test('the last ones, and the newest of each day, week and month are kept, each with its reason', () => {
  const { keep, drop, why } = retention(many, { last: 3, daily: 4, weekly: 3, monthly: 3 }, NOW);
  assert.deepEqual(keep.map((name) => [name.slice(8, 21), why[name]]), [
    ['20261123T1200', 'the newest, last 1 of 3, day 2026-11-23, week 2026-W48, month 2026-11'],
    ['20261123T0000', 'last 2 of 3'],
    ['20261122T1200', 'last 3 of 3, day 2026-11-22, week 2026-W47'],
    ['20261121T1200', 'day 2026-11-21'],
    ['20261120T1200', 'day 2026-11-20'],
    ['20261115T1200', 'week 2026-W46'],
    ['20261031T1200', 'month 2026-10'],
    ['20260930T1200', 'month 2026-09'],
  ]);
  assert.equal(keep.length + drop.length, many.length);
  assert.equal(why[drop[0]!], 'nothing in backup.keep holds it');
});

test('days, weeks and months without an archive are not counted', () => {
  const rare = [archive(NOW), archive(NOW - 40 * DAY), archive(NOW - 400 * DAY), archive(NOW - 800 * DAY)];
  assert.equal(retention(rare, { ...none, monthly: 3 }, NOW).keep.length, 3);
  assert.equal(retention(rare, { ...none, daily: 4 }, NOW).drop.length, 0);
});

test('weeks are those of ISO 8601', () => {
  // As `date -u +%G-W%V` tells them.
  const weeks = { '2021-01-03': '2020-W53', '2021-01-04': '2021-W01', '2024-12-30': '2025-W01', '2026-12-31': '2026-W53', '2027-01-03': '2026-W53', '2023-01-01': '2022-W52', '1969-12-28': '1969-W52' };
  for (const [day, week] of Object.entries(weeks)) {
    const one = archive(Date.parse(`${day}T23:59:59Z`));
    assert.match(retention([one], { ...none, weekly: 1 }, NOW * 2).why[one.name]!, new RegExp(`week ${week}$`));
  }
});

test('with nothing to be kept, the newest and the newest verified one still are, and those of a wrong clock', () => {
  const proven = archive(NOW - 5 * DAY, true);
  const ahead = archive(NOW + DAY);
  const { keep, why } = retention([archive(NOW - 9 * DAY, true), proven, archive(NOW - 2 * DAY), ahead, archive(NOW - 3 * DAY)], none, NOW);
  assert.deepEqual(keep.map((name) => why[name]), ['of a time that has not come', 'the newest', 'the newest that was verified']);
  assert.deepEqual(retention([], { last: 1, daily: 1, weekly: 1, monthly: 1 }, NOW), { keep: [], drop: [], why: {} });
});

test('of any archives and any policy: none is lost or told twice, the newest and the newest verified stay, more is kept by more', () => {
  const some = fc.uniqueArray(fc.record({ minutes: fc.integer({ min: -5_000, max: 900_000 }), verified: fc.boolean() }), { selector: ({ minutes }) => minutes, maxLength: 60 })
    .map((all) => all.map(({ minutes, verified }) => archive(NOW - minutes * 60_000, verified)));
  const count = fc.integer({ min: 0, max: 12 });
  const policy = fc.record({ last: count, daily: count, weekly: count, monthly: count });
  fc.assert(fc.property(some, policy, policy, fc.integer(), (archives, given, more, seed) => {
    const names = archives.map(({ name }) => name).sort();
    const decided = retention(archives, given, NOW);
    assert.deepEqual([...decided.keep, ...decided.drop].sort(), names);
    assert.deepEqual(Object.keys(decided.why).sort(), names);
    const past = archives.filter(({ at }) => Date.parse(at) <= NOW).sort((a, b) => (a.at < b.at ? 1 : -1));
    const safe = [past[0], past.find(({ verified }) => verified), ...archives.filter((one) => !past.includes(one)), ...past.slice(0, given.last)];
    for (const one of safe) if (one) assert.ok(decided.keep.includes(one.name));
    // No more than asked for: each count keeps at most that many, besides the two that always stay.
    assert.ok(decided.keep.length <= archives.length - past.length + 2 + given.last + given.daily + given.weekly + given.monthly);
    const shuffled = [...archives].sort((a, b) => ((Date.parse(a.at) * 31 + seed) % 97) - ((Date.parse(b.at) * 31 + seed) % 97));
    assert.deepEqual(retention(shuffled, given, NOW), decided);
    const both = { last: Math.max(given.last, more.last), daily: Math.max(given.daily, more.daily), weekly: Math.max(given.weekly, more.weekly), monthly: Math.max(given.monthly, more.monthly) };
    const kept = new Set(retention(archives, both, NOW).keep);
    for (const name of decided.keep) assert.ok(kept.has(name));
    // What was pruned once is not pruned further by the same policy.
    assert.deepEqual(retention(archives.filter(({ name }) => decided.keep.includes(name)), given, NOW).drop, []);
  }), { numRuns: 300 });
});

test('pruning takes away the oldest first, tells each, and touches nothing where the new archive is not listed', async () => {
  const host = testHost();
  const listed = [0, 1, 2, 3].map((days) => archive(NOW - days * DAY));
  const removed: string[] = [];
  const place = { name: 'disk', where: 'the folder /backups', list: async () => listed.map(({ name, at }) => ({ name, at, bytes: 1 })), remove: async (name: string) => void removed.push(name) } as unknown as Place;
  const clocked = { ...host, clock: { ...host.clock, now: () => NOW } };
  await assert.rejects(prune(clocked, place, { ...none, last: 2 }, 'gandalf-20261124T000000Z.firstlight'), { code: 'E_PRUNE_LIST' });
  assert.deepEqual(removed, []);
  await prune(clocked, place, { ...none, last: 2 }, listed[0]!.name);
  assert.deepEqual(removed, [listed[3]!.name, listed[2]!.name]);
  assert.deepEqual(host.events.map(({ code, message }) => [code, message]), removed.map((name) => ['archive.pruned', `took ${name} away from the folder /backups: nothing in backup.keep holds it`]));
  host.remove();
});
