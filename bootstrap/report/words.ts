import type { ForecastPart, RehearsalRecord, Verdict } from './types.ts';

/** A length for people, from milliseconds: `0.4 s`, `42 s`, `14 min 20 s`, `1 h 05 min`, `3 d 4 h`, its spaces not to be broken at. */
export function length(ms: number): string {
  return spaced(ms).replaceAll(' ', '\u00a0');
}

function spaced(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A count with thousands told apart, and the noun in its number: `1 object`, `2,014 objects`. */
export function counted(count: number, noun: string): string {
  return `${thousands(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `2,014`. */
export function thousands(count: number): string {
  return count.toLocaleString('en-US');
}

/** `23 November 2026, 07:42 UTC`, from ISO 8601; what is no time stays as it is. */
export function moment(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : `${day(iso)}, ${date.toISOString().slice(11, 16)} UTC`;
}

/** `23 November 2026`, from ISO 8601. */
export function day(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : date.toLocaleDateString('en-GB', { timeZone: 'UTC', day: 'numeric', month: 'long', year: 'numeric' });
}

/**
 * A name as it may stand in a report or terminal: control characters (an escape sequence's too), marks that turn the direction of
 * writing, and halves of characters become `�`, so that a name can't move, hide or colour its surroundings.
 */
export function plain(text: string): string {
  return text.toWellFormed().replace(/[\t\n\r]+/g, ' ').replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, '\ufffd');
}

/** The first letter large: names of clusters begin sentences. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The verdict in words that stand alone, and the mark that goes before it where there are only letters. */
export const VERDICT: Readonly<Record<Verdict, { readonly word: string; readonly mark: string }>> = {
  passed: { word: 'Passed', mark: '✓' },
  failed: { word: 'Failed', mark: '✗' },
  'missed budget': { word: 'Budget missed', mark: '◷' },
};

/** The verdict of several: failed if one failed, else a missed budget if one was missed. */
export function worst(records: readonly RehearsalRecord[]): Verdict {
  const verdicts = new Set(records.map((record) => record.verdict));
  return verdicts.has('failed') ? 'failed' : verdicts.has('missed budget') ? 'missed budget' : 'passed';
}

/** One or two sentences: what the rehearsal says of the real cluster. */
export function headline(record: RehearsalRecord): string {
  const { expected, ended, rto, rpo } = record;
  if (record.verdict === 'failed') return record.reasons[0] ?? 'It did not end as expected.';
  if (expected.end === 'failure' && ended.end === 'failure') return `Refused with ${ended.code}${ended.harm.length === 0 ? ', before anything was touched' : ''}, as it must be: ${ended.message.replace(/\.$/, '')}.`;
  const lost = rpo === undefined || (rpo.ms === 0 && rpo.revisions === 0) ? 'nothing is lost' : `the last ${length(rpo.ms)} of changes are lost`;
  if (rto === undefined) return `It ended as expected; ${lost}.`;
  return `The real ${capital(record.cluster)} would be back in ${length(rto.forecastMs)}, and ${lost}.`;
}

/** Where a part's length is from, for people: `measured here`, `assumption`, `own run of 2 November 2026`. */
export function source(part: Pick<ForecastPart, 'from' | 'on'>): string {
  return part.from === 'own run' && part.on !== undefined ? `own run of ${day(part.on)}` : part.from;
}

/** How data lost reads: `nothing`, or `42 s`. */
export function lostLength(ms: number, revisions: number): string {
  return ms === 0 && revisions === 0 ? 'nothing' : length(ms);
}
