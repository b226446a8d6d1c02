import { renderSVG } from 'uqr';

/** What an escrow page holds: the one line that matters, and what tells a person years later what it is. */
export type EscrowPage = {
  /** The identity, or one share of it. */
  readonly line: string;
  readonly recipient: string;
  readonly homelab: string;
  readonly clusters: readonly string[];
  /** ISO date. */
  readonly date: string;
  readonly share?: { readonly number: number; readonly of: number; readonly threshold: number };
};

/**
 * One self-contained HTML page per entry, for printing: text and QR code, what it opens and how. No script, nothing from outside.
 * It holds the secret in the clear: the caller writes it 0600 and tells the person to print and delete it.
 */
export function escrowPages(pages: readonly EscrowPage[]): string {
  const [first] = pages;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Escrow of ${escaped(first?.homelab ?? '')}</title>
<style>
  @page { size: A4; margin: 20mm }
  body { font: 11pt/1.45 Georgia, serif; color: #000; background: #fff; max-width: 170mm; margin: 0 auto; padding: 4mm }
  section { break-after: page; padding-bottom: 12mm }
  section:last-child { break-after: auto }
  h1 { font-size: 19pt; margin: 0 0 2mm }
  code, .line { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace }
  .line { font-size: 12.5pt; line-height: 1.7; border: 1.2pt solid #000; padding: 4mm; word-break: break-all }
  .code { width: 62mm; margin: 6mm 0 }
  .code svg { width: 100%; height: auto; display: block }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 1mm 5mm; margin: 5mm 0 }
  dt { font-weight: bold } dd { margin: 0; word-break: break-all }
</style>
</head>
<body>
${pages.map(section).join('\n')}
</body>
</html>
`;
}

function section(page: EscrowPage): string {
  const { share } = page;
  const what = share ? `Share ${share.number} of ${share.of}` : 'The offline key';
  const power = share
    ? `Any ${share.threshold} of the ${share.of} shares together open every secret of this homelab; fewer open nothing. Keep them apart.`
    : 'Whoever holds this line opens every secret of this homelab. Keep it where fire, water and curious people don’t come.';
  return `<section>
<h1>${what}</h1>
<p>${escaped(power)}</p>
<p class="line">${escaped(grouped(page.line))}</p>
<div class="code">${renderSVG(page.line, { ecc: 'M', border: 2 })}</div>
<dl>
<dt>Homelab</dt><dd>${escaped(page.homelab)}</dd>
<dt>Clusters</dt><dd>${escaped(page.clusters.join(', '))}</dd>
<dt>Made</dt><dd>${escaped(page.date)}</dd>
<dt>Recipient</dt><dd><code>${escaped(page.recipient)}</code></dd>
</dl>
<p>To use it, in a clone of the repository (each asks for the line${share ? 's' : ''}; blanks and small letters don’t matter):</p>
<dl>
<dt><code>firstlight secrets escrow --verify</code></dt><dd>proves that it opens everything</dd>
<dt><code>firstlight secrets update --with-paper</code></dt><dd>lets a new owner in, whose key was put into cluster.yaml</dd>
</dl>
</section>`;
}

/** In groups of eight, which the eye can follow. */
function grouped(line: string): string {
  const inEights = (text: string): string => text.match(/.{1,8}/g)?.join(' ') ?? text;
  return line.replace(/^(AGE-SECRET-KEY-1)(.+)$|^(firstlight-share \S+ \S+ \S+ )(\S+)( \S+)$/, (_, head?: string, rest?: string, start?: string, letters?: string, check?: string) => (
    head === undefined ? `${start}${inEights(letters ?? '')}${check}` : `${head} ${inEights(rest ?? '')}`));
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (one) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[one] ?? one);
}
