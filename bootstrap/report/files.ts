import { reportHtml } from './html.ts';
import { reportJson } from './json.ts';
import { reportText } from './text.ts';
import type { Trend } from './trend.ts';
import type { RehearsalRecord } from './types.ts';

/** The report's three files by their names in the run's folder; of those, `report.json` is what later runs read for their trend. Throws a RangeError where there is no record. */
export function reportFiles(records: readonly RehearsalRecord[], trend: Trend): Readonly<Record<'report.html' | 'report.json' | 'report.txt', string>> {
  return { 'report.html': reportHtml(records, trend), 'report.json': reportJson(records), 'report.txt': reportText(records, trend) };
}
