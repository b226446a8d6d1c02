import { createHash } from 'node:crypto';
import { html, type Markup, type Piece } from './markup.ts';
import { PATTERNS, slug, verdictMark } from './marks.ts';
import { overview } from './overview.ts';
import { scenario } from './scenario.ts';
import { STYLE } from './style.ts';
import type { Trend } from './trend.ts';
import type { RehearsalRecord, Verdict } from './types.ts';
import { capital, counted, headline, length, moment, VERDICT, worst } from './words.ts';

/**
 * The report as one HTML file, complete in itself: no script, no request, no font but the reader's own. Its content security policy
 * forbids everything but its own style. One record makes a page of its own; several make one page, each foldable under a table of
 * all. `trend` are earlier runs. Throws a RangeError where there is no record.
 */
export function reportHtml(records: readonly RehearsalRecord[], trend: Trend): string {
  const [first, ...others] = records;
  if (first === undefined) throw new RangeError('a report needs at least one record');
  return others.length === 0 ? onePage(first, trend) : allPage(records, trend);
}

function onePage(record: RehearsalRecord, trend: Trend): string {
  const head = banner(record.verdict, `Rehearsal of ${record.cluster}`, record.scenario.title, VERDICT[record.verdict].word, headline(record), record.at);
  return page(`${VERDICT[record.verdict].word}: ${record.scenario.title} (${record.cluster})`, html`${head}<main>${scenario(record, trend, 2, slug(record.scenario.name))}</main>`);
}

function allPage(records: readonly RehearsalRecord[], trend: Trend): string {
  const verdict = worst(records);
  const good = records.filter((record) => record.verdict === 'passed').length;
  const { cluster, at } = records[0]!;
  const word = good === records.length ? `All ${records.length} passed` : `${good} of ${records.length} passed`;
  const head = banner(verdict, `Rehearsal of ${cluster}`, `${counted(records.length, 'disaster')}, rehearsed`, word, summary(records), at);
  const details = records.map((record, index) => html`<details class="scenario"><summary><span class="what">${verdictMark(record.verdict)} <b>${record.scenario.title}</b></span> <span class="aside">${VERDICT[record.verdict].word}${record.rto && ` · ${length(record.rto.forecastMs)}`}</span></summary>
<article><h2 id="${anchor(record, index)}">${record.scenario.title}</h2><p class="headline">${headline(record)}</p>${scenario(record, trend, 3, anchor(record, index))}</article></details>
`);
  return page(`${word}: rehearsal of ${cluster}`, html`${head}<main>${overview(records, trend, anchor)}<h2 id="scenarios" class="screen">Each in full</h2>${details}</main>`);
}

function anchor(record: RehearsalRecord, index: number): string {
  return `s${index + 1}-${slug(record.scenario.name)}`;
}

function summary(records: readonly RehearsalRecord[]): string {
  const bad = records.filter((record) => record.verdict !== 'passed');
  const longest = records.filter((record) => record.rto).toSorted((one, other) => other.rto!.forecastMs - one.rto!.forecastMs)[0];
  const named = bad.map((record) => `${record.scenario.title} (${VERDICT[record.verdict].word.toLowerCase()})`).join('; ');
  const time = longest?.rto && `The longest way back takes the real ${capital(longest.cluster)} ${length(longest.rto.forecastMs)}: ${longest.scenario.title}.`;
  return [bad.length > 0 && `Not as it must be: ${named}.`, time].filter(Boolean).join(' ');
}

function banner(verdict: Verdict, kicker: string, title: string, word: string, line: Piece, at: string): Markup {
  return html`<header class="verdict ${slug(verdict)}"><div class="wide"><p class="kicker">${kicker} <span aria-hidden="true">·</span> <time datetime="${at}">${moment(at)}</time></p>
<h1>${verdictMark(verdict)}<span class="word">${word}</span><span class="unseen">: </span><span class="title">${title}</span></h1><p class="headline">${line}</p></div></header>
`;
}

function page(title: string, body: Markup): string {
  const digest = createHash('sha256').update(STYLE).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${digest}'; img-src data:; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
${html`<meta http-equiv="Content-Security-Policy" content="${policy}">`.markup}
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
${html`<title>${title}</title>`.markup}
<style>${STYLE}</style></head>
<body>${PATTERNS.markup}
${body.markup}
<footer><p class="wide">Written by <b>firstlight</b>. No secret is in this file: names, counts, times and digests only.</p></footer></body></html>
`;
}
