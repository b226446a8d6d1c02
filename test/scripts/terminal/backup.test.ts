import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newestOf, type Listed } from '../../../bootstrap/archive/list.ts';
import { archiveName } from '../../../bootstrap/archive/types.ts';
import { listText, newestText } from '../../../scripts/terminal/backup.ts';

const now = Date.parse('2026-11-23T08:00:00.000Z');
const listed = (at: number): Listed => ({ name: archiveName('gandalf', at), at: new Date(at).toISOString(), bytes: 2_000_000, places: ['nas'] });
const hour = 3_600_000;

test('a backup dated after now, by a clock that was wrong, is not taken for the newest while another is there', () => {
  const archives = [listed(now + 9_000 * hour), listed(now - 50 * hour), listed(now - 99 * hour)];
  assert.equal(newestOf(archives, now), archives[1]);
  assert.match(newestText('gandalf', { archives, silent: [] }, now), /^The newest backup is 2 days old: gandalf-20261121T060000Z/);
  assert.match(listText('gandalf', { archives, silent: [] }, now).split('\n')[0]!, /dated 375 days ahead/);
  const [alone] = archives;
  assert.equal(newestOf([alone!], now), alone);
  assert.match(newestText('gandalf', { archives: [alone!], silent: [] }, now), /^The newest backup is dated 375 days ahead, so a clock was wrong: gandalf-/);
});

test('another machine’s clock may be a little ahead', () => {
  const archives = [listed(now + hour / 2)];
  assert.equal(newestOf(archives, now), archives[0]);
  assert.match(newestText('gandalf', { archives, silent: [] }, now), /is a moment old/);
});
