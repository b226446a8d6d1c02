import { percent, ticks, type Bar } from './chart.ts';
import { html, type Markup, type Piece } from './markup.ts';
import { length } from './words.ts';

/** A bar and how it is filled: its class decides (`measured`, `assumed`, `own`, `given`, `disaster`, `recovery`, `judgement`, `failed`). */
export type Drawn = Bar & { readonly look: string };

/** A scale that bars are drawn on, and where its budget stands. */
export type Scale = { readonly ms: number; readonly budgetMs?: number };

const THICK = 14;

// Lengths are in percent of whatever place there is, so that the same picture fits a page and a phone, and its patterns and letters keep their size.
/** One bar over a scale, as a picture as wide as its place; `title` is what it says. */
export function barPicture(bar: Drawn, scale: Scale, title: string): Markup {
  return html`<svg class="bar" width="100%" height="100%" role="img" aria-label="${title}"><title>${title}</title>${grid(scale)}${barRect(bar, scale)}${budgetLine(scale)}</svg>`;
}

function barRect(bar: Drawn, scale: Scale): Markup {
  const x = percent(bar.startMs, scale.ms);
  // Something that took a moment is still seen: never thinner than half a percent.
  const width = Math.max(percent(bar.startMs + bar.ms, scale.ms) - x, 0.5);
  return html`<rect x="${Math.min(x, 99.5)}%" y="50%" width="${Math.round(width * 100) / 100}%" height="${THICK}" transform="translate(0 ${-THICK / 2})" class="fill ${bar.look}"/>`;
}

function grid(scale: Scale): Piece {
  return ticks(scale.ms).map((at) => html`<line x1="${percent(at, scale.ms)}%" x2="${percent(at, scale.ms)}%" y1="0" y2="100%" class="grid"/>`);
}

function budgetLine(scale: Scale): Markup | undefined {
  if (scale.budgetMs === undefined) return undefined;
  const x = percent(scale.budgetMs, scale.ms);
  return html`<line x1="${x}%" x2="${x}%" y1="0" y2="100%" class="budget"/>`;
}

/** The times along a scale, for above its bars; every second one is left out on a narrow page. */
export function axisPicture(scale: Scale): Markup {
  return html`<svg class="axis" width="100%" height="18" aria-hidden="true" focusable="false">${ticks(scale.ms).map((at, index) => {
    const x = percent(at, scale.ms);
    const anchor = index === 0 ? 'start' : x > 94 ? 'end' : 'middle';
    return html`<text x="${x}%" y="13" text-anchor="${anchor}" class="tick ${index % 2 === 1 && 'minor'}">${at === 0 ? '0' : length(at).replace('.0', '')}</text>`;
  })}</svg>`;
}

/** A length against its budget: a bar, and a line where the budget ends. Over it, the bar goes on past the line. */
export function gauge(ms: number, budgetMs: number, title: string): Markup {
  const scale = Math.max(ms, budgetMs, 1) * 1.08;
  const within = percent(Math.min(ms, budgetMs), scale);
  const x = percent(budgetMs, scale);
  return html`<svg class="gauge" width="100%" height="20" role="img" aria-label="${title}"><title>${title}</title>
<rect x="0" y="6" width="100%" height="8" class="trough"/><rect x="0" y="6" width="${within}%" height="8" class="fill measured"/>
${ms > budgetMs && html`<rect x="${x}%" y="6" width="${Math.round((percent(ms, scale) - x) * 100) / 100}%" height="8" class="fill over"/>`}
<line x1="${x}%" x2="${x}%" y1="0" y2="20" class="budget"/></svg>`;
}
