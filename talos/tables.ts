/**
 * Reads a table as talosctl prints it (Go's text/tabwriter): columns start where their headers start, cells may be empty
 * and may hold single spaces. One object a row, keyed by header (`CLIENT URLS`).
 */
export function parseTable(text: string): readonly Readonly<Record<string, string>>[] {
  const [header = '', ...rows] = text.split('\n').filter((line) => line.trim() !== '');
  const starts = [...header.matchAll(/\S+(?: \S+)*/g)].map((match) => ({ name: match[0], from: match.index }));
  return rows.map((row) => Object.fromEntries(starts.map(({ name, from }, index) => [name, row.slice(from, starts[index + 1]?.from).trim()])));
}
