import { drawn, forecastScale, grouped, waterfall, type Bar } from './chart.ts';
import { byKind, differenceWords, objectTotals } from './objects.ts';
import { PROSE } from './prose.ts';
import { runsOf, trendWords, type Trend } from './trend.ts';
import type { ForecastPart, RehearsalRecord } from './types.ts';
import { counted, headline, length, lostLength, moment, plain, source, thousands, VERDICT } from './words.ts';

const BAR = 36;

/** How many differences and objects a text lists; the JSON has all. */
const LISTED = 12;

/** The report as text for a terminal or a log: several scenarios as a table first, then each in full. Lines end in `\n`; no colours. */
export function reportText(records: readonly RehearsalRecord[], trend: Trend): string {
  const parts = [...(records.length > 1 ? [overview(records, trend)] : []), ...records.map((record) => scenario(record, trend))];
  return parts.map((lines) => lines.map((line) => line.replaceAll('\u00a0', ' ').trimEnd()).join('\n')).join('\n\n\n') + '\n';
}

function overview(records: readonly RehearsalRecord[], trend: Trend): string[] {
  const good = records.filter((record) => record.verdict === 'passed').length;
  const rows = records.map((record) => [
    `${VERDICT[record.verdict].mark} ${VERDICT[record.verdict].word}`, record.scenario.name,
    record.rto ? within(length(record.rto.forecastMs), record.rto.budgetMs) : record.ended.end === 'failure' ? record.ended.code : '–',
    record.rpo ? within(lostLength(record.rpo.ms, record.rpo.revisions), record.rpo.budgetMs) : '–', trendWords(runsOf(record, trend)),
  ]);
  return [`${good} of ${records.length} passed`, '', ...indented(columns([['', 'Scenario', 'Time to recover', 'Data lost', 'Before'], ...rows]))];
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function within(words: string, budgetMs: number | undefined): string {
  return budgetMs === undefined ? words : `${words} of ${length(budgetMs)}`;
}

function scenario(record: RehearsalRecord, trend: Trend): string[] {
  const runs = runsOf(record, trend);
  const { scenario: { title, name }, repeat } = record;
  return [
    `${VERDICT[record.verdict].mark} ${VERDICT[record.verdict].word}: ${plain(title)}`, `  ${plain(headline(record))}`,
    ...record.reasons.slice(record.verdict === 'failed' ? 1 : 0).map((reason) => `  ${plain(reason)}`), '',
    ...indented(columns([...numbers(record), ...(runs.length > 1 ? [['Earlier runs', `${counted(runs.length, 'run')}: ${trendWords(runs)}`]] : [])])),
    ...section('How long the real cluster would be down', forecast(record)),
    ...section(`How the rehearsal went (${length(record.ms)}, begun on ${moment(record.at)})`, timeline(record)),
    ...section('What did not come back', missing(record)),
    ...section('Not as expected', record.checks.filter((check) => !check.ok).map((check) => `${plain(check.what)}: expected ${plain(check.expected)}, seen ${plain(check.seen)}`)),
    ...section('What the numbers rest on', [PROSE.world[record.world.kind], ...record.world.proof.map(plain), ...columns(record.assumptions.map((of) => [of.what, of.value, of.from]))]),
    ...section(`Again: ${plain(name)}`, [plain(repeat.command)]),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...indented(lines)];
}

function numbers(record: RehearsalRecord): string[][] {
  const { rto, rpo, ended, checks } = record;
  const totals = objectTotals(record);
  const good = checks.filter((check) => check.ok).length;
  return [
    ...(rto && ended.end === 'done' ? [['Time to recover', within(length(rto.forecastMs), rto.budgetMs), `forecast for the real machines; ${length(rto.measuredMs)} here`]] : []),
    ...(rpo ? [['Data lost', within(lostLength(rpo.ms, rpo.revisions), rpo.budgetMs), rpo.revisions > 0 ? counted(rpo.revisions, 'revision') : '']] : []),
    ...(ended.end === 'failure' ? [['Ended with', ended.code, ended.harm.length === 0 ? 'nothing was changed before' : ended.harm.join('; ')]] : []),
    ...(record.objects.length > 0 ? [['Objects back', `${thousands(totals.back)} of ${thousands(totals.before)}`, totals.wrong > 0 ? `${counted(totals.wrong, 'difference')} not allowed` : '']] : []),
    ...(checks.length > 0 ? [['Checks', `${good} of ${checks.length}`, good === checks.length ? '' : `${checks.length - good} not as expected`]] : []),
  ];
}

const INK: Readonly<Record<ForecastPart['from'], string>> = { 'measured here': '━', assumption: '▒', 'own run': '░' };

function forecast(record: RehearsalRecord): string[] {
  if (record.forecast.length === 0) return [];
  const scale = forecastScale(record);
  const budget = record.rto?.budgetMs;
  const rows = waterfall(record.forecast).map((bar) => [bar.part.phase, length(bar.ms), drawnBar(bar, scale, INK[bar.part.from], budget), source(bar.part)]);
  const total = record.rto && ['In all', length(record.rto.forecastMs), drawnBar({ startMs: 0, ms: record.rto.forecastMs }, scale, '━', budget), budget === undefined ? '' : `budget ${length(budget)} (│)`];
  return columns([...rows, ...(total ? [total] : [])], [1]);
}

function timeline(record: RehearsalRecord): string[] {
  const scale = Math.max(record.ms, 1);
  const phases = record.phases.map((phase) => [phase.name, length(phase.ms), drawnBar(phase, scale, '━')]);
  const steps = grouped(drawn(record.steps, record.ms), (step) => step.node ?? '').flatMap(([node, of]) => of.map((step) => [`${node === '' ? '' : `${node}: `}${step.title}`, length(step.ms), drawnBar(step, scale, step.end === 'failed' ? '╳' : '─'), step.end === 'failed' ? `failed: ${step.detail}` : '']));
  return columns([...phases, ...steps], [1]);
}

function drawnBar(bar: Bar, scaleMs: number, ink: string, budgetMs?: number): string {
  const at = (ms: number): number => Math.round((ms / scaleMs) * BAR);
  const from = Math.min(at(bar.startMs), BAR - 1);
  const cells = [...(' '.repeat(from) + ink.repeat(Math.max(1, at(bar.startMs + bar.ms) - from))).padEnd(BAR)];
  if (budgetMs !== undefined) cells[Math.min(at(budgetMs), BAR - 1)] = '│';
  return cells.join('');
}

function missing(record: RehearsalRecord): string[] {
  const kinds = byKind(record).filter((row) => row.lost + row.added + row.changed > 0);
  const listed = record.differences.toSorted((one, other) => Number(one.allowed) - Number(other.allowed)).slice(0, LISTED);
  const more = record.differences.length - listed.length;
  return [
    ...record.lost.map(plain),
    ...columns(kinds.map((row) => [row.kind, `${thousands(row.before)} before, ${thousands(row.after)} after`, differenceWords(row)])),
    ...columns(listed.map((of) => [of.allowed ? '·' : '✗', `${of.kind} ${of.namespace === '' ? '' : `${of.namespace}/`}${of.name}`, of.change, of.allowed ? of.why : 'not allowed'])),
    ...(more > 0 ? [`and ${thousands(more)} more, in report.json`] : []),
  ];
}

/** Rows in columns, each as wide as its widest cell; those of `right` stand to the right. */
function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const clean = rows.map((row) => row.map(plain));
  const widths = Array.from({ length: Math.max(0, ...clean.map((row) => row.length)) }, (_, index) => Math.max(...clean.map((row) => [...(row[index] ?? '')].length)));
  return clean.map((row) => row.map((cell, index) => (right.includes(index) ? ' '.repeat(widths[index]! - [...cell].length) + cell : cell + ' '.repeat(widths[index]! - [...cell].length))).join('  ').trimEnd());
}
