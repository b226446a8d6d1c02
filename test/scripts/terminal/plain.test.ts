import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainView } from '../../../scripts/terminal/plain.ts';

test('a card that stands still is told, also right after its progress was', () => {
  const lines: string[] = [];
  const view = plainView((text) => lines.push(text), () => 0);
  view.handle({ code: 'card.progress', node: 'w-1', data: { phase: 'write', bytes: 1, total: 2, rate: 1, secondsLeft: 1 } });
  view.handle({ code: 'card.stalled', node: 'w-1', message: 'the card for w-1 (/dev/sdb) has answered nothing for 30 s' });
  assert.equal(lines.length, 2);
  assert.match(lines[1] ?? '', /! the card for w-1 \(\/dev\/sdb\) has answered nothing for 30 s\n$/);
});

test('what changes on the NAS is told line by line, and trouble that passes too', () => {
  const lines: string[] = [];
  const view = plainView((text) => lines.push(text), () => 0);
  view.begin([{ id: 'storage', title: 'LUNs and targets on the NAS', needs: [] }]);
  view.handle({ code: 'storage.changed', step: 'storage', message: 'LUN gandalf-data: CHAP switched on' });
  view.handle({ code: 'storage.changed', step: 'storage', message: 'LUN gandalf-data: mapped' });
  view.handle({ code: 'storage.dsm.login-again', step: 'storage', message: 'DSM lost the session (119): logging in once again' });
  view.handle({ code: 'image.retry', step: 'image', message: 'the download was cut (ECONNRESET); going on' });
  assert.deepEqual(lines.map((line) => line.trim().replace(/^\S+ s +/, '')), ['· LUN gandalf-data: CHAP switched on', '· LUN gandalf-data: mapped',
    '! DSM lost the session (119): logging in once again', '! the download was cut (ECONNRESET); going on']);
});
