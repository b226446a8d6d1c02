import { html, type Markup, type Piece } from './markup.ts';
import { okMark, slug } from './marks.ts';
import { figures } from './figures.ts';
import { PROSE } from './prose.ts';
import { cameBack, checks, cluster, repeat, restsOn, versions } from './sections.ts';
import { sparkline } from './sparkline.ts';
import { forecastPicture, rehearsalPicture } from './timeline.ts';
import { runsOf, trendWords, type Trend } from './trend.ts';
import type { RehearsalRecord } from './types.ts';
import { counted, length, moment } from './words.ts';

/** All sections of one scenario, under headings of `level`; ids begin with `id`, so that several fit one page. */
export function scenario(record: RehearsalRecord, trend: Trend, level: 2 | 3, id: string): Markup {
  const runs = runsOf(record, trend);
  const section = (title: string, content: Piece, lead?: Piece): Markup => html`<section aria-labelledby="${id}-${slug(title)}">${heading(level, `${id}-${slug(title)}`, title)}${lead !== undefined && html`<p class="lead">${lead}</p>`}
${content}</section>
`;
  return html`${figures(record)}
${section('What happened', story(record))}
${Object.keys(record.pictures).length > 0 && section('The cluster', cluster(record))}
${record.forecast.length > 0 && section('How long the real cluster would be down', forecastPicture(record), PROSE.forecast)}
${runs.length > 1 && section('Earlier runs', html`<div class="spark-wide">${sparkline(runs)}</div><p class="aside">${counted(runs.length, 'run')}, the last on the right: ${trendWords(runs)}.</p>`)}
${record.objects.length + record.lost.length > 0 && section('What came back, and what did not', cameBack(record))}
${record.checks.length > 0 && section('What was checked', checks(record))}
${section('How the rehearsal went', rehearsalPicture(record), `${length(record.ms)} in all, begun on ${moment(record.at)}.`)}
${section('What the numbers rest on', restsOn(record))}
${section('Versions and hashes', versions(record))}
${section('How to repeat it', repeat(record))}`;
}

function heading(level: 2 | 3, id: string, title: string): Markup {
  return level === 2 ? html`<h2 id="${id}">${title}</h2>` : html`<h3 id="${id}">${title}</h3>`;
}

function story(record: RehearsalRecord): Markup {
  const { expected, ended } = record;
  const wanted = expected.end === 'done'
    ? (ended.end === 'done' ? 'The ordinary command had to bring the cluster back, and ended well.' : 'The ordinary command had to bring the cluster back. It stopped with:')
    : html`The ordinary command had to refuse with <code>${expected.code}</code>: ${expected.why} ${ended.end === 'done' ? 'It did not refuse.' : 'It stopped with:'}`;
  const error = ended.end === 'failure' && html`<blockquote><p><code>${ended.code}</code> ${ended.message}</p><p>${ended.hint}</p></blockquote>`;
  return html`<p class="story">${record.scenario.story}</p><p>${wanted}</p>${error}
${record.reasons.length > 0 && html`<ul class="reasons">${record.reasons.map((reason) => html`<li>${okMark(false, reason)}</li>`)}</ul>`}`;
}
