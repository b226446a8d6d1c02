import { html, type Markup, type Piece } from './markup.ts';
import type { Verdict } from './types.ts';

/** The patterns that bars and boards are filled with, once in a page: told apart without any colour. */
export const PATTERNS: Markup = html`<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>
<pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="7" height="7" class="hatch-ground"/><rect width="3" height="7" class="hatch-line"/></pattern>
<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="6" height="6" class="dots-ground"/><circle cx="3" cy="3" r="1.7" class="dots-dot"/></pattern>
<pattern id="cross" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="6" height="6" class="cross-ground"/><path d="M0 0L6 6M6 0L0 6" class="cross-line"/></pattern>
<pattern id="faint" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="1.2" height="6" class="faint-line"/></pattern>
</defs></svg>`;

const VERDICT_PATH: Readonly<Record<Verdict, string>> = {
  passed: 'M13 33L26 46L51 18',
  failed: 'M17 17L47 47M47 17L17 47',
  'missed budget': 'M32 13V32L45 40',
};

/** The verdict as a mark of its own form: a tick, a cross, the hands of a clock. It stands beside the word, and is not read out. */
export function verdictMark(verdict: Verdict): Markup {
  return html`<svg class="mark ${slug(verdict)}" viewBox="0 0 64 64" aria-hidden="true" focusable="false"><circle cx="32" cy="32" r="29" class="mark-ring"/><path d="${VERDICT_PATH[verdict]}" class="mark-line"/></svg>`;
}

/** A name as part of a class or an id: letters, digits, dashes. */
export function slug(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'x';
}

/** A check's or object's mark with its word for those who can't see the mark. */
export function okMark(ok: boolean, word = ok ? 'as expected' : 'not as expected'): Markup {
  return html`<span class="${ok ? 'ok' : 'wrong'}"><span aria-hidden="true">${ok ? '✓' : '✗'}</span> ${word}</span>`;
}

/** A column of a table; `number` ones stand to the right. */
export type Column = { readonly head: string; readonly number?: boolean };

/**
 * A table whose first column names its row. On a narrow page each row becomes a block and each cell says its column, unless
 * `keep`. `rows` are cells in the order of the columns, or a string: the heading of the rows below it.
 */
export function table(caption: string, columns: readonly Column[], rows: readonly (readonly Piece[] | string)[], keep = false): Markup {
  const kind = (index: number): string | false => columns[index]?.number === true && 'number';
  return html`<div class="${keep ? 'sheet kept' : 'sheet'}"><table role="table"><caption>${caption}</caption>
<thead role="rowgroup"><tr role="row">${columns.map((column, index) => html`<th scope="col" role="columnheader" class="${kind(index)}">${column.head}</th>`)}</tr></thead>
<tbody role="rowgroup">${rows.map((row) => (typeof row === 'string' ? html`<tr role="row" class="group"><th scope="colgroup" role="rowheader" colspan="${columns.length}">${row}</th></tr>` : html`<tr role="row">${row.map((cell, index) => (index === 0
    ? html`<th scope="row" role="rowheader">${cell}</th>`
    : html`<td role="cell" class="${kind(index)}" data-head="${columns[index]?.head}"><div>${cell}</div></td>`))}</tr>
`))}</tbody></table></div>`;
}
