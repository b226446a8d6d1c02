import { gauge } from './bars.ts';
import { html, type Markup, type Piece } from './markup.ts';
import { verdictMark } from './marks.ts';
import { sparkline } from './sparkline.ts';
import { runsOf, trendWords, type Trend } from './trend.ts';
import type { RehearsalRecord } from './types.ts';
import { counted, length, lostLength, VERDICT } from './words.ts';

/** All scenarios of a page: a table with verdict and numbers against their budgets, each linked to its own part, and how they did over earlier runs. */
export function overview(records: readonly RehearsalRecord[], trend: Trend, anchor: (record: RehearsalRecord, index: number) => string): Markup {
  const rows = records.map((record, index) => html`<tr role="row"><th scope="row" role="rowheader"><a href="#${anchor(record, index)}">${record.scenario.title}</a> <span class="below">${record.scenario.name}</span></th>
<td role="cell" data-head="Verdict"><div class="verdict-cell">${verdictMark(record.verdict)} <b>${VERDICT[record.verdict].word}</b></div></td>
<td role="cell" data-head="Time to recover"><div>${time(record)}</div></td><td role="cell" data-head="Data lost"><div>${data(record)}</div></td></tr>
`);
  const grown = records.filter((record) => runsOf(record, trend).length > 1);
  return html`<section aria-labelledby="all"><h2 id="all">All scenarios</h2><div class="sheet overview"><table role="table"><caption class="unseen">All scenarios with their verdicts, times to recover and data lost</caption>
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Scenario</th><th scope="col" role="columnheader">Verdict</th><th scope="col" role="columnheader">Time to recover</th><th scope="col" role="columnheader">Data lost</th></tr></thead><tbody role="rowgroup">${rows}</tbody></table></div></section>
${grown.length > 0 && trends(records, trend)}`;
}

function time({ rto, ended }: RehearsalRecord): Piece {
  if (rto === undefined) return ended.end === 'failure' ? html`<span class="below">refused with <code>${ended.code}</code></span>` : '–';
  return html`<b>${length(rto.forecastMs)}</b>${rto.budgetMs !== undefined && html` <span class="below">of ${length(rto.budgetMs)}</span>${gauge(rto.forecastMs, rto.budgetMs, `${length(rto.forecastMs)} of ${length(rto.budgetMs)}`)}`}`;
}

function data({ rpo, rto }: RehearsalRecord): Piece {
  if (rpo === undefined) return rto === undefined ? '–' : 'nothing';
  const words = lostLength(rpo.ms, rpo.revisions);
  return html`<b>${words}</b>${rpo.budgetMs !== undefined && html` <span class="below">of ${length(rpo.budgetMs)}</span>${gauge(rpo.ms, rpo.budgetMs, `${words} of ${length(rpo.budgetMs)}`)}`}`;
}

function trends(records: readonly RehearsalRecord[], trend: Trend): Markup {
  const shown = records.map((record) => ({ record, runs: runsOf(record, trend) }));
  return html`<section aria-labelledby="trend"><h2 id="trend">Over earlier runs</h2><p class="lead">Forecast time to recover, the last run on the right. A dot passed, a ring missed its budget, a cross failed; the broken line is the budget.</p>
<div class="trends">${shown.map(({ record, runs }) => html`<figure><figcaption><b>${record.scenario.title}</b> <span class="below">${record.rto ? `${length(record.rto.forecastMs)}; ` : ''}${counted(runs.length, 'run')}: ${trendWords(runs)}</span></figcaption>${sparkline(runs)}</figure>`)}</div></section>`;
}
