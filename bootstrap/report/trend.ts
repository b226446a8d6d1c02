import { openReport } from './json.ts';
import { recordCore } from './schema.ts';
import type { RehearsalRecord, Verdict } from './types.ts';
import { day, length } from './words.ts';

/** One run of a scenario, as far as the trend needs it. */
export type TrendPoint = { readonly at: string; readonly verdict: Verdict; readonly forecastMs?: number; readonly budgetMs?: number; readonly lostMs?: number };

/** The earlier runs of each scenario by its name, oldest first. */
export type Trend = ReadonlyMap<string, readonly TrendPoint[]>;

/** A file with a report's JSON: its path (for words) and its text. */
export type ReportFile = { readonly file: string; readonly text: string };

/**
 * The trend of a cluster over the reports of its earlier runs, of whatever version. A file that is no report (cut off by a crash)
 * and records of other clusters are left out; the former are told of in `unreadable`.
 */
export function trendOf(cluster: string, files: readonly ReportFile[]): { readonly trend: Trend; readonly unreadable: readonly string[] } {
  const found = new Map<string, Map<string, TrendPoint>>();
  const unreadable: string[] = [];
  for (const { file, text } of files) {
    for (const { name, of, point } of pointsIn(file, text, unreadable)) {
      // A run's report may lie there twice (a page of its own, and one over all): the same moment is the same run.
      if (of === cluster) found.set(name, (found.get(name) ?? new Map<string, TrendPoint>()).set(point.at, point));
    }
  }
  const sorted = [...found].map(([name, points]) => [name, [...points.values()].toSorted((one, other) => Date.parse(one.at) - Date.parse(other.at))] as const);
  return { trend: new Map(sorted), unreadable };
}

function pointsIn(file: string, text: string, unreadable: string[]): { readonly name: string; readonly of: string; readonly point: TrendPoint }[] {
  try {
    return openReport(text, file).records.flatMap((record) => {
      const read = recordCore.safeParse(record);
      if (!read.success) { unreadable.push(file); return []; }
      const { scenario, cluster, at, verdict, rto, rpo } = read.data;
      return [{ name: scenario.name, of: cluster, point: trendPoint({ at, verdict, rto, rpo }) }];
    });
  } catch {
    unreadable.push(file);
    return [];
  }
}

/** A record as a point of its trend. */
export function trendPoint(record: {
  readonly at: string; readonly verdict: Verdict;
  readonly rto?: { readonly forecastMs: number; readonly budgetMs?: number | undefined } | undefined; readonly rpo?: { readonly ms: number } | undefined;
}): TrendPoint {
  const { at, verdict, rto, rpo } = record;
  return {
    at, verdict,
    ...(rto && { forecastMs: rto.forecastMs }), ...(rto?.budgetMs !== undefined && { budgetMs: rto.budgetMs }), ...(rpo && { lostMs: rpo.ms }),
  };
}

/** All runs of a record's scenario, this one last; earlier ones only (a report may be made anew when later ones are there). */
export function runsOf(record: RehearsalRecord, trend: Trend): readonly TrendPoint[] {
  const now = Date.parse(record.at);
  return [...(trend.get(record.scenario.name) ?? []).filter((point) => Date.parse(point.at) < now), trendPoint(record)];
}

/** The trend in a few words: `42 s shorter than on 16 November 2026`, `failed on 16 November 2026`, `first run`. */
export function trendWords(runs: readonly TrendPoint[]): string {
  const [before, now] = [runs.at(-2), runs.at(-1)];
  if (before === undefined || now === undefined) return 'first run';
  const on = day(before.at);
  if (before.verdict === 'failed' || now.verdict === 'failed') return before.verdict === now.verdict ? `failed on ${on} too` : `${before.verdict} on ${on}`;
  if (before.forecastMs === undefined || now.forecastMs === undefined) return `${before.verdict} on ${on} too`;
  const change = now.forecastMs - before.forecastMs;
  if (Math.abs(change) < 1000) return `as long as on ${on}`;
  return `${length(Math.abs(change))} ${change < 0 ? 'shorter' : 'longer'} than on ${on}`;
}
