import { plain } from './words.ts';

/** HTML that is safe as it stands: only `html` makes it. */
export type Markup = { readonly markup: string };

/** What may be put into a template: text is escaped, nothing at all leaves nothing. */
export type Piece = string | number | Markup | readonly Piece[] | undefined | false;

/**
 * A tagged template for HTML and SVG: every value but other markup is escaped, for element content and quoted attributes alike,
 * because names in a report come from YAML and clusters.
 */
export function html(parts: TemplateStringsArray, ...values: readonly Piece[]): Markup {
  return { markup: parts.map((part, index) => (index === 0 ? part : markupOf(values[index - 1]) + part)).join('') };
}

function markupOf(piece: Piece): string {
  if (piece === undefined || piece === false) return '';
  if (Array.isArray(piece)) return (piece as readonly Piece[]).map(markupOf).join('');
  if (typeof piece === 'object') return (piece as Markup).markup;
  return escapeText(String(piece));
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as HTML: the five characters that mean something are written as entities, those that steer a terminal or a line as `�`. */
export function escapeText(text: string): string {
  return plain(text).replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char);
}
