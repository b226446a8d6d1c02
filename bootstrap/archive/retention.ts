/** How many archives are kept: the last ones, and the newest of each of the last days, ISO weeks and months (UTC) that have one. */
export type KeepPolicy = { readonly last: number; readonly daily: number; readonly weekly: number; readonly monthly: number };

/** An archive as retention sees it: `at` is ISO 8601, `verified` that it was proven good. */
export type Kept = { readonly name: string; readonly at: string; readonly verified?: boolean };

/** What is kept and what goes, newest first; `why` says for each name kept what keeps it ("last 1 of 3", "week 2026-W48"), for each other that nothing does. */
export type Retention = { readonly keep: readonly string[]; readonly drop: readonly string[]; readonly why: Readonly<Record<string, string>> };

/** Milliseconds that another machine's clock may be ahead before its archive counts as one of the future. */
export const CLOCKS_MS = 3_600_000;

const DAY_MS = 24 * 3_600_000;

/**
 * Decides which archives are kept. Never dropped: the newest, the newest that was verified, and those of the future (`now` in milliseconds
 * since 1970; a clock was wrong then, so they count for nothing else). Pure; the order of the archives does not matter.
 */
export function retention(archives: readonly Kept[], policy: KeepPolicy, now: number): Retention {
  const sorted = [...archives].sort((a, b) => Date.parse(b.at) - Date.parse(a.at) || (a.name < b.name ? 1 : -1));
  const reasons = new Map<string, string[]>(sorted.map(({ name }) => [name, []]));
  const because = (archive: Kept | undefined, reason: string): void => void (archive && reasons.get(archive.name)?.push(reason));
  const past = sorted.filter(({ at }) => Date.parse(at) <= now);
  for (const archive of sorted) if (!past.includes(archive)) because(archive, 'of a time that has not come');
  because(past[0], 'the newest');
  because(past.find(({ verified }) => verified), 'the newest that was verified');
  past.slice(0, policy.last).forEach((archive, index) => because(archive, `last ${index + 1} of ${policy.last}`));
  for (const [count, word, period] of [[policy.daily, 'day', dayOf], [policy.weekly, 'week', weekOf], [policy.monthly, 'month', monthOf]] as const) {
    const newest = new Map<string, Kept>();
    for (const archive of past) if (!newest.has(period(archive.at))) newest.set(period(archive.at), archive);
    for (const [label, archive] of [...newest].slice(0, count)) because(archive, `${word} ${label}`);
  }
  const kept = ({ name }: Kept): boolean => (reasons.get(name)?.length ?? 0) > 0;
  return {
    keep: sorted.filter(kept).map(({ name }) => name),
    drop: sorted.filter((archive) => !kept(archive)).map(({ name }) => name),
    why: Object.fromEntries([...reasons].map(([name, all]) => [name, all.length > 0 ? all.join(', ') : 'nothing in backup.keep holds it'])),
  };
}

function dayOf(at: string): string {
  return new Date(at).toISOString().slice(0, 10);
}

function monthOf(at: string): string {
  return dayOf(at).slice(0, 7);
}

/** The ISO 8601 week, `2026-W48`: that of its Thursday, counted in the Thursday's year. */
function weekOf(at: string): string {
  const day = Math.floor(Date.parse(at) / DAY_MS);
  // 1970-01-01 was a Thursday.
  const thursday = new Date((day - ((day + 3) % 7 + 7) % 7 + 3) * DAY_MS);
  const year = thursday.getUTCFullYear();
  return `${year}-W${String(1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / DAY_MS / 7)).padStart(2, '0')}`;
}
