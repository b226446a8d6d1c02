import { gauge } from './bars.ts';
import { html, type Markup, type Piece } from './markup.ts';
import { okMark } from './marks.ts';
import { objectTotals } from './objects.ts';
import type { RehearsalRecord } from './types.ts';
import { counted, length, lostLength, thousands } from './words.ts';

/** The numbers that matter, large: time to recover, data lost, objects back, checks; for a refusal what it refused with, and that nothing was harmed. */
export function figures(record: RehearsalRecord): Markup {
  return html`<dl class="figures">${record.rto && record.ended.end === 'done' ? [time(record), data(record), objects(record)] : refusal(record)}${checks(record)}</dl>`;
}

function figure(name: string, value: Piece, ...below: readonly Piece[]): Markup {
  return html`<div class="figure"><dt>${name}</dt><dd><strong>${value}</strong>${below}</dd></div>`;
}

function time({ rto }: RehearsalRecord): Piece {
  if (rto === undefined) return undefined;
  return figure('Time to recover', length(rto.forecastMs), rto.budgetMs !== undefined && budget(rto.forecastMs, rto.budgetMs, rto.met),
    html`<span class="aside">forecast for the real machines; ${length(rto.measuredMs)} here</span>`);
}

function data({ rpo }: RehearsalRecord): Piece {
  if (rpo === undefined) return figure('Data lost', 'nothing', html`<span class="aside">no state was put back from a backup</span>`);
  return figure('Data lost', lostLength(rpo.ms, rpo.revisions), rpo.budgetMs !== undefined && budget(rpo.ms, rpo.budgetMs, rpo.met),
    html`<span class="aside">${rpo.revisions === 0 ? 'every revision of etcd is back' : `${counted(rpo.revisions, 'revision')} of etcd between snapshot and disaster`}</span>`);
}

function budget(ms: number, budgetMs: number, met: boolean): Markup {
  const words = met ? `within the budget of ${length(budgetMs)}` : `${length(ms - budgetMs)} over the budget of ${length(budgetMs)}`;
  return html`${gauge(ms, budgetMs, `${length(ms)} of ${length(budgetMs)}`)}${okMark(met, words)}`;
}

function objects(record: RehearsalRecord): Markup {
  const { before, back, changed, wrong } = objectTotals(record);
  return figure('Objects back', html`${thousands(back)}<small> of ${thousands(before)}</small>`, okMark(wrong === 0, wrong === 0 ? 'no difference beyond what the scenario allows' : `${counted(wrong, 'difference')} not allowed`),
    changed > 0 && html`<span class="aside">${thousands(changed)} changed</span>`);
}

function checks({ checks: all }: RehearsalRecord): Piece {
  if (all.length === 0) return undefined;
  const good = all.filter((check) => check.ok).length;
  return figure('Checks', html`${good}<small> of ${all.length}</small>`, okMark(good === all.length, good === all.length ? 'all as expected' : `${all.length - good} not as expected`));
}

function refusal({ ended, expected }: RehearsalRecord): Piece {
  if (ended.end === 'done') return figure('Ended', 'done', expected.end === 'failure' && okMark(false, `${expected.code} was expected`));
  const right = expected.end === 'failure' && expected.code.split(' or ').includes(ended.code);
  return [
    figure('Ended with', html`<code>${ended.code}</code>`, okMark(right, right ? 'the reason it must be refused for' : expected.end === 'failure' ? `${expected.code} was expected` : 'it had to succeed')),
    figure('Harm done', ended.harm.length === 0 ? 'none' : thousands(ended.harm.length), okMark(ended.harm.length === 0, ended.harm.length === 0 ? 'nothing was changed before it stopped' : ended.harm.join('; '))),
  ];
}
