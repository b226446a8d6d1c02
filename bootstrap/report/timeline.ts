import { axisPicture, barPicture, type Scale } from './bars.ts';
import { drawn, forecastScale, grouped, waterfall } from './chart.ts';
import { html, type Markup, type Piece } from './markup.ts';
import type { ForecastPart, PhaseKind, RecoveryStep, RehearsalRecord } from './types.ts';
import { length, source } from './words.ts';

const LOOK: Readonly<Record<ForecastPart['from'], string>> = { 'measured here': 'measured', assumption: 'assumed', 'own run': 'own' };
const KIND: Readonly<Record<PhaseKind, string>> = { given: 'the state is put in place', disaster: 'the disaster', recovery: 'the ordinary command', judgement: 'what came back is judged' };

function swatch(look: string, words: string): Markup {
  return html`<li><svg width="28" height="14" aria-hidden="true" focusable="false"><rect x="1" y="1" width="26" height="12" class="fill ${look}"/></svg> ${words}</li>`;
}

/** The recovery on the real machines, part by part down to its end, with the budget as a line through all of them. */
export function forecastPicture(record: RehearsalRecord): Markup {
  const scale: Scale = { ms: forecastScale(record), ...(record.rto?.budgetMs !== undefined && { budgetMs: record.rto.budgetMs }) };
  const rows = waterfall(record.forecast).map(({ part, startMs, ms }) => chartRow(part.phase, belowPart(part),
    barPicture({ startMs, ms, look: LOOK[part.from] }, scale, `${part.phase}: ${length(ms)}, ${source(part)}`), [length(part.realMs), part.measuredMs === 0 ? '–' : length(part.measuredMs)]));
  const total = record.rto && html`<tbody role="rowgroup" class="total">${chartRow('In all', scale.budgetMs === undefined ? 'no budget was set' : `budget ${length(scale.budgetMs)}`,
    barPicture({ startMs: 0, ms: record.rto.forecastMs, look: 'whole' }, scale, `In all: ${length(record.rto.forecastMs)}`), [length(record.rto.forecastMs), length(record.rto.measuredMs)])}</tbody>`;
  const used = new Set(record.forecast.map((part) => part.from));
  return html`<ul class="legend">${used.has('measured here') && swatch('measured', 'measured here')}${used.has('own run') && swatch('own', 'seen in an own run')}${used.has('assumption') && swatch('assumed', 'assumption')}${scale.budgetMs !== undefined && swatchBudget()}</ul>
<table class="chart" role="table"><caption class="unseen">The recovery on the real machines, part by part</caption>
${chartHead(scale, ['real', 'here'])}<tbody role="rowgroup">${rows}</tbody>${total}</table>`;
}

function belowPart(part: ForecastPart): string {
  if (part.note === '') return source(part);
  return part.from === 'measured here' ? part.note : `${source(part)}: ${part.note}`;
}

function swatchBudget(): Markup {
  return html`<li><svg width="14" height="14" aria-hidden="true" focusable="false"><line x1="7" x2="7" y1="0" y2="14" class="budget"/></svg> budget</li>`;
}

function chartHead(scale: Scale, numbers: readonly string[]): Markup {
  return html`<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader" class="what"><span class="unseen">what</span></th><th scope="col" role="columnheader" class="picture"><span class="unseen">when</span>${axisPicture(scale)}</th>${numbers.map((head) => html`<th scope="col" role="columnheader" class="number">${head}</th>`)}</tr></thead>`;
}

function chartRow(name: string, below: Piece, picture: Markup, numbers: readonly string[]): Markup {
  return html`<tr role="row"><th scope="row" role="rowheader" class="what">${name}${below !== '' && html` <span class="below">${below}</span>`}</th><td role="cell" class="picture">${picture}</td>${numbers.map((number) => html`<td role="cell" class="number">${number}</td>`)}</tr>
`;
}

/** The rehearsal as it went: its phases, then the recovery's steps by node. */
export function rehearsalPicture(record: RehearsalRecord): Markup {
  const scale: Scale = { ms: Math.max(record.ms, 1) };
  const phases = record.phases.map((phase) => chartRow(phase.name, KIND[phase.kind], barPicture({ ...phase, look: phase.kind }, scale, `${phase.name}: ${length(phase.ms)}`), [length(phase.ms)]));
  const shown = drawn(record.steps, record.ms);
  const groups = grouped(shown, (step) => step.node ?? '');
  const rest = record.steps.filter((step) => !shown.includes(step));
  return html`<table class="chart one" role="table"><caption class="unseen">The rehearsal as it went</caption>
${chartHead(scale, ['took'])}<tbody role="rowgroup">${phases}</tbody>
${groups.map(([node, steps]) => html`<tbody role="rowgroup"><tr role="row" class="group"><th role="rowheader" scope="rowgroup" colspan="3">${node === '' ? 'The cluster as a whole' : node}</th></tr>${steps.map((step) => stepRow(step, scale))}</tbody>`)}</table>
${rest.length > 0 && html`<details><summary>${rest.length} more steps had nothing to do, or were not begun</summary><ul class="plain">${rest.map((step) => html`<li>${step.title}${step.node !== undefined && ` (${step.node})`}: ${step.end === 'skipped' ? 'not begun' : step.detail}</li>`)}</ul></details>`}`;
}

function stepRow(step: RecoveryStep, scale: Scale): Markup {
  const failed = step.end === 'failed';
  return chartRow(step.title, html`${failed && html`<b>failed</b>: `}${step.detail}`, barPicture({ startMs: step.startMs, ms: step.ms, look: failed ? 'failed' : step.end === 'already' ? 'looked' : 'recovery' }, scale, `${step.title}: ${length(step.ms)}, ${step.end}`), [length(step.ms)]);
}
