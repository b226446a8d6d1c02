import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { problem } from '../../lib/errors.ts';

/** Reads something secret: from a pipe whole (without its last newline), from a person without showing it. Throws `E_SECRETS_EMPTY`. */
export async function secretInput(question: string, signal: AbortSignal): Promise<string> {
  const given = process.stdin.isTTY ? await unseen(question, signal) : (await text(process.stdin)).replace(/\r?\n$/, '');
  if (given === '') throw problem('E_SECRETS_EMPTY', 'nothing was given', 'Type it when asked, or pipe it in: printf %s "$VALUE" | firstlight secrets set ….');
  return given;
}

/** The same, lines until an empty one: an identity, or shares of one. */
export async function secretLines(question: string, signal: AbortSignal): Promise<string> {
  if (!process.stdin.isTTY) return secretInput(question, signal);
  const lines: string[] = [];
  for (;;) {
    const line = await unseen(lines.length === 0 ? question : 'the next line, or nothing:', signal);
    if (line.trim() === '') return lines.join('\n');
    lines.push(line);
  }
}

async function unseen(question: string, signal: AbortSignal): Promise<string> {
  process.stderr.write(`? ${question} `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => { done(); } });
  const line = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await line.question('', { signal });
  } finally {
    line.close();
    process.stderr.write('\n');
  }
}
