import { grouped } from './chart.ts';
import { clusterPicture } from './cluster-picture.ts';
import { html, type Markup, type Piece } from './markup.ts';
import { okMark, table } from './marks.ts';
import { byKind, differenceWords, objectTotals } from './objects.ts';
import { PROSE } from './prose.ts';
import type { ObjectDifference, RehearsalRecord } from './types.ts';
import { counted, length, moment, plain, thousands } from './words.ts';

/** How many differences a page lists by name; the JSON has all. */
export const LISTED = 200;

/** The three pictures side by side, or below one another where it is narrow. */
export function cluster({ pictures }: RehearsalRecord): Piece {
  const shown = ([['Before', pictures.before], ['During', pictures.during], ['After', pictures.after]] as const).filter(([, picture]) => picture !== undefined);
  return html`<div class="pictures">${shown.map(([when, picture]) => html`<figure><figcaption><b>${when}.</b> ${picture!.caption}</figcaption>${clusterPicture(picture!, when)}</figure>`)}</div>`;
}

/** What came back and what did not: lost things first, then the objects by kind, then every difference by name. */
export function cameBack(record: RehearsalRecord): Markup {
  const { differences, lost, objects } = record;
  const totals = objectTotals(record);
  const rows = byKind(record).map((row) => [
    html`${kindName(row.kind)}${row.namespaces.length > 0 && html` <span class="below">${row.namespaces.length > 3 ? counted(row.namespaces.length, 'namespace') : row.namespaces.join(', ')}</span>`}`,
    thousands(row.before), thousands(row.after),
    row.wrong > 0 ? okMark(false, `${differenceWords(row)}: not allowed`) : differenceWords(row),
  ]);
  return html`${lost.length > 0 ? html`<ul class="lost">${lost.map((what) => html`<li>${what}</li>`)}</ul>` : html`<p>Nothing is lost for good.</p>`}
${differences.length > 0 && differenceTable(differences)}
${objects.length > 0 && table(`${thousands(totals.before)} objects before, ${thousands(totals.after)} after, by kind`, [{ head: 'Kind' }, { head: 'Before', number: true }, { head: 'After', number: true }, { head: 'Difference' }], rows, true)}
${objects.length > 0 && html`<details class="screen"><summary>By kind and namespace</summary>${table('Objects by kind and namespace', [{ head: 'Kind' }, { head: 'Namespace' }, { head: 'Before', number: true }, { head: 'After', number: true }],
    objects.map((row) => [kindName(row.kind), row.namespace || '–', thousands(row.before), thousands(row.after)]), true)}</details>`}`;
}

/** A kind's name, which may be broken between its words where it is narrow. */
function kindName(kind: string): Piece {
  return kind.split(/(?<=[a-z])(?=[A-Z])/).map((word, index) => (index === 0 ? word : html`<wbr>${word}`));
}

function differenceTable(differences: readonly ObjectDifference[]): Markup {
  const sorted = differences.toSorted((one, other) => Number(one.allowed) - Number(other.allowed));
  const rows = sorted.slice(0, LISTED).map((of) => [html`<code>${of.namespace === '' ? '' : `${of.namespace}/`}${of.name}</code>`, of.kind, of.change, okMark(of.allowed, of.allowed ? `allowed: ${of.why}` : of.why || 'not allowed')]);
  const more = differences.length - LISTED;
  return html`${table(`${counted(differences.length, 'object')} not as before`, [{ head: 'Object' }, { head: 'Kind' }, { head: 'Change' }, { head: 'Allowed' }], rows)}${more > 0 && html`<p class="aside">And ${thousands(more)} more: report.json has them all.</p>`}`;
}

/** What was judged, by group; groups with failed checks first. */
export function checks(record: RehearsalRecord): Piece {
  const failed = record.checks.filter((check) => !check.ok);
  const groups = grouped(record.checks, (check) => check.group).toSorted(([, one], [, other]) => Number(one.every((check) => check.ok)) - Number(other.every((check) => check.ok)));
  return table(failed.length === 0 ? 'All checks are as expected' : `${counted(failed.length, 'check')} not as expected`, [{ head: 'What' }, { head: 'Expected' }, { head: 'Seen' }, { head: 'Verdict' }],
    groups.flatMap(([group, of]) => [group, ...of.map((check) => [check.what, check.expected, check.seen, okMark(check.ok)])]));
}

/** The state it began from, the world it ran in, and what the numbers rest on. */
export function restsOn(record: RehearsalRecord): Markup {
  const { given, world, assumptions } = record;
  const state = given.from === 'archive'
    ? html`The state is that of the archive <code>${given.name}</code> in ${given.place}, made on ${moment(given.at)} (${length(given.ageMs)} old when the rehearsal began): revision ${thousands(given.revision)} of etcd, ${counted(given.objects, 'object')}.`
    : html`There was no archive: the state is that of a cluster brought up fresh with a sample load, at revision ${thousands(given.revision)} of etcd with ${counted(given.objects, 'object')}.`;
  return html`<p>${state}${given.note !== undefined && ` ${given.note}`}</p>
<p>${PROSE.world[world.kind]} ${world.proof.map((proof) => `${proof} `)}</p>
${assumptions.length > 0 && table('Assumptions', [{ head: 'What' }, { head: 'Value' }, { head: 'From' }], assumptions.map((of) => [of.what, of.value, of.from]))}`;
}

/** Exact versions and digests. */
export function versions(record: RehearsalRecord): Markup {
  return table('Versions and SHA-256', [{ head: 'What' }, { head: 'Version' }, { head: 'SHA-256' }], record.versions.map((of) => [of.what, html`<code>${of.version}</code>`, of.sha256 === undefined ? '–' : html`<code class="digest">${of.sha256}</code>`]));
}

/** The command to type, and what has to be at hand. */
export function repeat({ repeat: { command, needs } }: RehearsalRecord): Markup {
  return html`<pre><code>${plain(command)}</code></pre>${needs.length > 0 && html`<ul class="plain">${needs.map((need) => html`<li>${need}</li>`)}</ul>`}`;
}
