import { parseAllDocuments, visit, type Document } from 'yaml';

const CONTEXT = 3;

/** A config without comments, indented as Go's yaml writes it: what Talos compares. */
export function plainConfig(text: string): string {
  const documents = parseAllDocuments(text) as Document[];
  return documents.map((document) => {
    document.commentBefore = null;
    document.comment = null;
    visit(document, (_key, node) => {
      if (node === null || typeof node !== 'object') return;
      const commented = node as { comment?: string | null; commentBefore?: string | null; spaceBefore?: boolean };
      commented.comment = null;
      commented.commentBefore = null;
      commented.spaceBefore = false;
    });
    return document.toString({ indent: 4, lineWidth: 0 });
  }).join('---\n');
}

type Edit = { readonly mark: ' ' | '-' | '+'; readonly line: string; readonly a: number; readonly b: number };

function edits(a: readonly string[], b: readonly string[]): Edit[] {
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) table[i]![j] = a[i] === b[j] ? table[i + 1]![j + 1]! + 1 : Math.max(table[i + 1]![j]!, table[i]![j + 1]!);
  }
  const out: Edit[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) out.push({ mark: ' ', line: a[i]!, a: i++, b: j++ });
    else if (i < a.length && (j === b.length || table[i + 1]![j]! >= table[i]![j + 1]!)) out.push({ mark: '-', line: a[i]!, a: i++, b: j });
    else out.push({ mark: '+', line: b[j]!, a: i, b: j++ });
  }
  return out;
}

/** A unified diff with three lines of context, headed `--- a` and `+++ b`; empty where nothing differs. */
export function unifiedDiff(before: string, after: string): string {
  const all = edits(before.replace(/\n$/, '').split('\n'), after.replace(/\n$/, '').split('\n'));
  const near = all.map((_edit, i) => all.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some((edit) => edit.mark !== ' '));
  if (!near.includes(true)) return '';
  let out = '--- a\n+++ b\n';
  for (let i = 0; i < all.length; i += 1) {
    if (!near[i]) continue;
    let end = i;
    while (end < all.length && near[end]) end += 1;
    const hunk = all.slice(i, end);
    const count = (mark: string): number => hunk.filter((edit) => edit.mark === ' ' || edit.mark === mark).length;
    out += `@@ -${hunk[0]!.a + 1},${count('-')} +${hunk[0]!.b + 1},${count('+')} @@\n${hunk.map((edit) => edit.mark + edit.line).join('\n')}\n`;
    i = end;
  }
  return out;
}
