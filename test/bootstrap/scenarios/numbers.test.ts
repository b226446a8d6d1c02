import assert from 'node:assert/strict';
import { test } from 'node:test';
import { journalHardware } from '../../../bootstrap/scenarios/hardware.ts';
import { listenTo } from '../../../bootstrap/scenarios/events.ts';
import { assumptionsOf, DEFAULT_HARDWARE, forecastOf, stretches } from '../../../bootstrap/scenarios/numbers.ts';

const step = (id: string, part: string, startMs: number, ms: number, end: 'done' | 'already' = 'done') => ({ id, title: id, part, startMs, ms, end, detail: '' });
const STEPS = [step('fence:w-1', 'Fence', 2_000, 1_000), step('card:w-1', 'Card', 3_000, 5_000), step('board:w-1', 'Boards', 8_000, 2_000, 'already'), step('config:w-1', 'Config', 10_000, 2_000), step('ready:w-1', 'Rejoin', 12_000, 3_000)];

test('the forecast: what was clocked here adds up to the whole, and the hardware stands where it belongs', () => {
  assert.deepEqual(stretches(STEPS, 16_000).map(({ part, ms }) => [part, ms]), [['Diagnosis', 2_000], ['Fence', 1_000], ['Card', 5_000], ['Boards', 2_000], ['Config', 2_000], ['Rejoin', 4_000]]);
  const forecast = forecastOf(STEPS, DEFAULT_HARDWARE, { cards: 1, imageBytes: 1_500_000_000, boards: 1 }, 16_000);
  assert.deepEqual(forecast.map(({ phase, measuredMs, realMs, from }) => [phase, measuredMs, realMs, from]), [
    ['Hands', 0, 600_000, 'assumption'], ['Diagnosis', 2_000, 2_000, 'measured here'], ['Fence', 1_000, 1_000, 'measured here'], ['Card', 5_000, 200_000, 'assumption'],
    ['Boards', 2_000, 122_000, 'assumption'], ['Config', 2_000, 182_000, 'assumption'], ['Rejoin', 4_000, 4_000, 'measured here'],
  ]);
  assert.equal(forecast.reduce((sum, { measuredMs }) => sum + measuredMs, 0), 16_000);
  assert.deepEqual(forecastOf([], DEFAULT_HARDWARE, { cards: 0, imageBytes: 1, boards: 0, machines: 1 }, 5_000).map(({ phase, realMs }) => [phase, realMs]), [['Hands', 600_000], ['Diagnosis', 5_000]]);
  assert.ok(forecastOf(STEPS.slice(0, 1), DEFAULT_HARDWARE, { cards: 0, imageBytes: 1, boards: 0 }, 5_000).every(({ from }) => from === 'measured here'));
  assert.deepEqual(assumptionsOf(DEFAULT_HARDWARE).map(({ value, from }) => `${value} (${from})`), ['15 MB/s (default)', '2 min (default)', '3 min (default)', '10 min (default)']);
});

test('an own run’s journal tells the cards’ real speed and the longest boot; a damaged one what it still can, another run nothing', () => {
  const lines = [
    '{"at":"2026-11-02T20:00:00.000Z","n":1,"code":"run.started"}', '{"at":"2026-11-02T20:01:00.000Z","code":"card.progress","data":{"rate":18000000}}',
    '{"at":"2026-11-02T20:01:01.000Z","code":"card.progress","data":{"rate":21000000}}', '{"at":"2026-11-02T20:04:00.000Z","code":"step.done","step":"board:w-1","data":{"ms":95000}}', '{"at":"2026-1',
  ];
  const on = '2026-11-02';
  assert.deepEqual(journalHardware(lines.join('\n')), { cardMBs: { value: 21, from: `the run of ${on}`, on }, bootMs: { value: 95_000, from: `the run of ${on}`, on } });
  assert.deepEqual(journalHardware(lines[0]!), {});
  const [part] = forecastOf([step('card:w-1', 'Card', 0, 5_000)], { ...DEFAULT_HARDWARE, ...journalHardware(lines.join('\n')) }, { cards: 1, imageBytes: 1, boards: 0 }, 5_000);
  assert.deepEqual([part?.from, part?.on], ['own run', on]);
});

test('steps are made of events: what acted is told, what never began is skipped', () => {
  let now = 1_000;
  const heard = listenTo(1_000, () => now);
  heard.begin([{ id: 'a', title: 'First', part: 'One' }, { id: 'b', title: 'Second', part: 'Two', node: 'w-1' }]);
  heard.hear({ code: 'step.started', step: 'a' });
  heard.hear({ code: 'step.acting', step: 'a', message: 'why' });
  now = 3_000;
  heard.hear({ code: 'step.failed', step: 'a', message: 'no' });
  heard.hear({ code: 'flash.other' });
  assert.deepEqual(heard.acted(), ['First']);
  assert.deepEqual(heard.steps().map(({ id, startMs, ms, end, node }) => [id, startMs, ms, end, node]), [['a', 0, 2_000, 'failed', undefined], ['b', 0, 0, 'skipped', 'w-1']]);
});
