import type { Assumption, ForecastPart, RecoveryStep } from '../report/types.ts';

/** What a desk has not: in milliseconds, and megabytes a second for a card. `from` says where each number is from; `on` the day of the own run it is from. */
export type Hardware = {
  readonly cardMBs: Known;
  readonly bootMs: Known;
  readonly pullMs: Known;
  readonly handsMs: Known;
};

/** A number, and where it is said (`default`, `cluster.yaml`, `the run of …` with its day). */
export type Known = { readonly value: number; readonly from: string; readonly on?: string };

/** What a Raspberry Pi 4B with a class A1 card on a home line takes, where nobody said or measured anything else. */
export const DEFAULT_HARDWARE: Hardware = {
  cardMBs: { value: 15, from: 'default' },
  bootMs: { value: 120_000, from: 'default' },
  pullMs: { value: 180_000, from: 'default' },
  handsMs: { value: 600_000, from: 'default' },
};

/** What was done by hand: how many cards of how many bytes each were written, in how many places a board or card was exchanged, and how many other machines a person set up again. */
export type Handwork = { readonly cards: number; readonly imageBytes: number; readonly boards: number; readonly machines?: number };

/**
 * The recovery on the real machines, part by part: what was clocked here stays, but writing cards, booting boards and pulling images is
 * put in the place of what virtual boards took for it, and the hands are added. Sums up to the forecast.
 */
export function forecastOf(steps: readonly RecoveryStep[], hardware: Hardware, work: Handwork, totalMs: number): readonly ForecastPart[] {
  const parts: ForecastPart[] = [];
  if (work.boards > 0) parts.push(assumed('Hands', 0, hardware.handsMs.value * work.boards, hardware.handsMs, `${work.boards} board${work.boards === 1 ? '' : 's'} or card${work.boards === 1 ? '' : 's'} taken out and put in`));
  const { machines = 0 } = work;
  if (machines > 0) parts.push(assumed('Hands', 0, hardware.handsMs.value * machines, hardware.handsMs, `${machines} other machine${machines === 1 ? '' : 's'} set up again by hand`));
  const walked = stretches(steps, totalMs);
  for (const { part, ms } of walked) {
    const own = steps.filter((step) => step.part === part && step.end !== 'skipped');
    const has = (...names: string[]): boolean => own.some(({ id }) => names.includes(id.split(':')[0]!));
    if (work.cards > 0 && has('card', 'cards')) {
      const real = work.cards * 2 * (work.imageBytes / (hardware.cardMBs.value * 1e6)) * 1000;
      parts.push(assumed(part, ms, Math.round(real), hardware.cardMBs, `${work.cards} card${work.cards === 1 ? '' : 's'} of ${Math.round(work.imageBytes / 1e6)} MB at ${hardware.cardMBs.value} MB/s, written and read back`));
    } else if (work.cards > 0 && has('board')) parts.push(assumed(part, ms, ms + hardware.bootMs.value, hardware.bootMs, 'the firmware and Talos boot, boards side by side'));
    else if (work.cards > 0 && has('etcd', 'config', 'ready') && !parts.some((each) => each.note.startsWith(PULLS))) parts.push(assumed(part, ms, ms + hardware.pullMs.value, hardware.pullMs, `${PULLS}, as new cards have none; boards side by side`));
    else parts.push({ phase: part, measuredMs: ms, realMs: ms, from: 'measured here', note: 'the same programs, as they took here' });
  }
  return parts;
}

const PULLS = 'images are pulled';

/** The numbers of the hardware as the report's assumptions. */
export function assumptionsOf(hardware: Hardware): readonly Assumption[] {
  const minutes = (ms: number): string => (ms < 60_000 ? `${Math.round(ms / 1000)} s` : `${Number((ms / 60_000).toFixed(1))} min`);
  return [
    { what: 'Speed of a card, written and read back', value: `${Number(hardware.cardMBs.value.toFixed(1))} MB/s`, from: hardware.cardMBs.from },
    { what: 'A board boots', value: minutes(hardware.bootMs.value), from: hardware.bootMs.from },
    { what: 'A new card pulls its images', value: minutes(hardware.pullMs.value), from: hardware.pullMs.from },
    { what: 'A person exchanges a board or a card', value: minutes(hardware.handsMs.value), from: hardware.handsMs.from },
  ];
}

/** How long each part took by the clock, one after another: a part ends where the next begins. Together they are `totalMs`. */
export function stretches(steps: readonly RecoveryStep[], totalMs: number): readonly { readonly part: string; readonly ms: number }[] {
  const begun = new Map<string, number>();
  for (const step of steps) begun.set(step.part, Math.min(begun.get(step.part) ?? Number.POSITIVE_INFINITY, step.startMs));
  const ordered = [...begun].toSorted(([, one], [, other]) => one - other);
  const first = ordered[0]?.[1] ?? 0;
  const walked = ordered.map(([part, at], index) => ({ part, ms: Math.max(0, (ordered[index + 1]?.[1] ?? totalMs) - at) })).filter(({ ms }) => ms > 0);
  return first > 0 || ordered.length === 0 ? [{ part: 'Diagnosis', ms: ordered.length === 0 ? totalMs : first }, ...walked] : walked;
}

function assumed(phase: string, measuredMs: number, realMs: number, known: Known, note: string): ForecastPart {
  return { phase, measuredMs, realMs, note, from: known.on === undefined ? 'assumption' : 'own run', ...(known.on === undefined ? {} : { on: known.on }) };
}
