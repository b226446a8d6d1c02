import type { ForecastPart, RehearsalRecord, RecoveryStep } from './types.ts';

/** A bar on a scale: both in milliseconds from the scale's begin. */
export type Bar = { readonly startMs: number; readonly ms: number };

/** The forecast's parts one after another, each beginning where the one before ended. */
export function waterfall(parts: readonly ForecastPart[]): readonly (Bar & { readonly part: ForecastPart })[] {
  let at = 0;
  return parts.map((part) => {
    const startMs = at;
    at += part.realMs;
    return { part, startMs, ms: part.realMs };
  });
}

/** What the scale of a forecast runs to: the forecast or its budget, whichever is longer, and a little more, so that no mark is at the edge. */
export function forecastScale(record: RehearsalRecord): number {
  return Math.max(record.rto?.forecastMs ?? 0, record.rto?.budgetMs ?? 0, ...waterfall(record.forecast).map((bar) => bar.startMs + bar.ms), 1) * 1.04;
}

const STEPS = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400];

/** Round times for a scale of that many milliseconds, from 0, at most seven: 0, 5 min, 10 min, … */
export function ticks(scaleMs: number): readonly number[] {
  const step = (STEPS.find((seconds) => scaleMs / (seconds * 1000) <= 6) ?? Math.ceil(scaleMs / 6 / 86_400_000) * 86_400) * 1000;
  return Array.from({ length: Math.floor(scaleMs / step) + 1 }, (_, index) => index * step);
}

/** A place on a scale in percent, to two decimals, kept within it. */
export function percent(ms: number, scaleMs: number): number {
  return Math.round(Math.min(Math.max(ms / scaleMs, 0), 1) * 10_000) / 100;
}

/** Steps worth a bar: those that did something, or failed, or took a hundredth of the whole. */
export function drawn(steps: readonly RecoveryStep[], wholeMs: number): readonly RecoveryStep[] {
  return steps.filter((step) => step.end === 'done' || step.end === 'failed' || (step.end === 'already' && step.ms > wholeMs / 100));
}

/** Things grouped by a key, groups in the order of their first member. */
export function grouped<T>(things: readonly T[], key: (thing: T) => string): readonly (readonly [string, readonly T[]])[] {
  const groups = new Map<string, T[]>();
  for (const thing of things) groups.set(key(thing), [...groups.get(key(thing)) ?? [], thing]);
  return [...groups];
}
