import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportJson, readReport } from '../../../bootstrap/report/json.ts';
import { runsOf, trendOf, trendWords } from '../../../bootstrap/report/trend.ts';
import type { RehearsalRecord } from '../../../bootstrap/report/types.ts';
import { ManyErrors } from '../../../lib/errors.ts';
import { hostile } from './fixtures/hostile.ts';
import { earlier, nine, passed } from './fixtures/records.ts';

test('what is written as JSON is read back as it was', () => {
  assert.deepEqual(readReport(reportJson(nine), 'report.json'), nine);
  const [back] = readReport(reportJson([hostile]), 'report.json');
  assert.equal(back?.checks.length, hostile.checks.length);
});

test('a report cut off, of another form, or with mistakes is refused with all of them', () => {
  const text = reportJson([passed]);
  assert.throws(() => readReport(text.slice(0, 900), 'r.json'), { code: 'E_REPORT_FORM', message: /cut off/, where: { file: 'r.json' } });
  assert.throws(() => readReport('{"version":1,"records":[]}', 'r.json'), { code: 'E_REPORT_FORM', message: /format/ });
  const wrong = text.replace('"verdict": "passed"', '"verdict": "fine"').replace('"ms": 149700', '"ms": -1').replace('"cluster"', '"klaster"');
  assert.throws(() => readReport(wrong, 'r.json'), (error: unknown) => {
    assert.ok(error instanceof ManyErrors);
    assert.equal(error.problems.length, 4);
    assert.match(error.problems.map((one) => one.message).join('\n'), /records\.0\.cluster[\s\S]*records\.0\.verdict/);
    return true;
  });
});

test('a later version is refused where it must be understood, and read for the trend', () => {
  const later = JSON.parse(reportJson([passed])) as { version: number; records: (Record<string, unknown> & RehearsalRecord)[] };
  const text = JSON.stringify({ ...later, version: 2, records: later.records.map((record) => ({ ...record, version: 2, at: '2026-11-20T02:00:00.000Z', mood: 'calm' })) });
  assert.throws(() => readReport(text, 'r.json'), { code: 'E_REPORT_NEWER' });
  const { trend, unreadable } = trendOf('gandalf', [{ file: 'r.json', text }]);
  assert.deepEqual(unreadable, []);
  assert.deepEqual(trend.get('control-plane-dead'), [{ at: '2026-11-20T02:00:00.000Z', verdict: 'passed', forecastMs: 859_900, budgetMs: 1_800_000, lostMs: 42_000 }]);
});

test('the trend keeps a run once, in the order of time, of this cluster only, and tells of files that are no reports', () => {
  const at = (day: string, record = passed): RehearsalRecord => ({ ...record, at: `2026-11-${day}T02:00:00.000Z` });
  const { trend, unreadable } = trendOf('gandalf', [
    { file: 'b', text: reportJson([at('20'), at('12')]) }, { file: 'a', text: reportJson([at('12')]) },
    { file: 'other', text: reportJson([{ ...at('13'), cluster: 'saruman' }]) }, { file: 'cut', text: reportJson([at('14')]).slice(0, 99) },
    { file: 'proto', text: reportJson([{ ...at('15'), scenario: { ...passed.scenario, name: '__proto__' } }]) },
  ]);
  assert.deepEqual(trend.get('control-plane-dead')?.map((point) => point.at.slice(8, 10)), ['12', '20']);
  assert.equal(trend.get('__proto__')?.length, 1);
  assert.deepEqual(unreadable, ['cut']);
});

test('runs of a record are those before it, and itself; their words say what changed', () => {
  const runs = runsOf(passed, earlier);
  assert.equal(runs.length, 6);
  assert.equal(trendWords(runs).replaceAll('\u00a0', ' '), '42 s shorter than on 16 November 2026');
  assert.equal(runsOf({ ...passed, at: '2026-10-06T00:00:00.000Z' }, earlier).length, 2);
  assert.equal(trendWords(runs.slice(-1)), 'first run');
  assert.equal(trendWords([runs[0]!, runs[2]!]), 'failed on 5 October 2026');
});
