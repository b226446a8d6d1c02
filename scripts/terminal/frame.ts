import { relative } from 'node:path';
import { FirstlightError, isAbort, ManyErrors, type Where } from '../../lib/errors.ts';

/** How an error is told to a person: code and what happened, where, the cause, what to do. No stack for coded errors. */
export function errorFrame(error: unknown, hide: (text: string) => string, folder: string): string {
  if (error instanceof ManyErrors) {
    const parts = error.problems.map((problem) => errorFrame(problem, hide, folder).trimEnd());
    return `${parts.join('\n\n')}\n\n✖ ${error.code}  ${hide(error.message)}\n  → ${hide(error.hint)}\n`;
  }
  if (!(error instanceof FirstlightError) && isAbort(error)) return '✖ E_ABORTED  stopped\n  → Run the same command again: it goes on from what is done.\n';
  if (!(error instanceof FirstlightError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `✖ E_INTERNAL  ${hide(text)}\n  → This is a fault of firstlight: please report it.\n`;
  }
  const lines = [`✖ ${error.code}  ${error.message}`];
  const place = placeText(error.where, folder);
  if (place) lines.push(`  at ${place}`);
  for (const cause of causes(error)) lines.push(`  because ${cause}`);
  lines.push(`  → ${error.hint}`);
  return `${hide(lines.join('\n'))}\n`;
}

/** `machines/gandalf/cluster.yaml:4:9`, `node gandalf-w-1, step cards`, or ''. */
function placeText(where: Where, folder: string): string {
  const parts: string[] = [];
  if (where.file) {
    const near = relative(folder, where.file);
    parts.push([near.startsWith('..') ? where.file : near, where.line, where.col].filter((part) => part !== undefined).join(':'));
  }
  if (where.node) parts.push(`node ${where.node}`);
  if (where.step) parts.push(`step ${where.step}`);
  return parts.join(', ');
}

function causes(error: FirstlightError): string[] {
  const list: string[] = [];
  let cause: unknown = error.cause;
  while (cause instanceof Error && list.length < 3) {
    const [first] = cause.message.split('\n');
    if (first) list.push(first);
    cause = cause.cause;
  }
  return list;
}
