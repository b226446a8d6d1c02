import { html, type Markup } from './markup.ts';
import type { TrendPoint } from './trend.ts';
import { day, length, VERDICT } from './words.ts';

const HEIGHT = 64;
const TOP = 10;
const BOTTOM = 54;

/** How many runs a picture shows; older ones stay in their files. */
export const SHOWN = 20;

/** The forecast time to recover over the runs (the last `SHOWN`), with the newest budget as a line: a dot passed, a cross failed, a ring missed its budget. */
export function sparkline(runs: readonly TrendPoint[]): Markup {
  const points = runs.slice(-SHOWN);
  const budget = points.at(-1)?.budgetMs;
  const top = Math.max(budget ?? 0, ...points.map((point) => point.forecastMs ?? 0), 1) * 1.1;
  const x = (index: number): number => (points.length === 1 ? 50 : Math.round((3 + (94 * index) / (points.length - 1)) * 100) / 100);
  const y = (point: TrendPoint): number => Math.round(BOTTOM - ((point.forecastMs ?? 0) / top) * (BOTTOM - TOP));
  const timed = points.map((point, index) => ({ point, index })).filter(({ point }) => point.forecastMs !== undefined);
  const budgetY = budget === undefined ? undefined : Math.round(BOTTOM - (budget / top) * (BOTTOM - TOP));
  const words = points.map((point) => `${day(point.at)}: ${VERDICT[point.verdict].word.toLowerCase()}${point.forecastMs === undefined ? '' : `, ${length(point.forecastMs)}`}`).join('; ');
  return html`<svg class="spark" width="100%" height="${HEIGHT}" role="img" aria-label="${words}"><title>${words}</title>
<line x1="0" x2="100%" y1="${BOTTOM}" y2="${BOTTOM}" class="ground"/>
${budgetY !== undefined && html`<line x1="0" x2="100%" y1="${budgetY}" y2="${budgetY}" class="budget"/>`}
${timed.slice(1).map(({ point, index }, at) => html`<line x1="${x(timed[at]!.index)}%" y1="${y(timed[at]!.point)}" x2="${x(index)}%" y2="${y(point)}" class="trace"/>`)}
${points.map((point, index) => dot(point, x(index), y(point)))}</svg>`;
}

function dot(point: TrendPoint, x: number, y: number): Markup {
  if (point.verdict === 'passed') return html`<circle cx="${x}%" cy="${y}" r="3.5" class="dot"/>`;
  if (point.verdict === 'missed budget') return html`<circle cx="${x}%" cy="${y}" r="4" class="dot missed"/>`;
  return html`<svg x="${x}%" y="${y}" overflow="visible"><path d="M-4 -4L4 4M4 -4L-4 4" class="dot-cross"/></svg>`;
}
