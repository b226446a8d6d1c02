import { openSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { isUtf8 } from 'node:buffer';
import { ReadStream } from 'node:tty';
import { problem } from '../../lib/errors.ts';

/** Reads something secret: from a pipe whole (without its last newline), from a person without showing it. Throws `E_SECRETS_EMPTY`, `E_SECRETS_BINARY` for bytes that are no text. */
export async function secretInput(question: string, signal: AbortSignal): Promise<string> {
  const given = await secretValue(question, signal);
  if (typeof given === 'string') return given;
  throw problem('E_SECRETS_BINARY', 'what was piped in is no text', 'Give the text itself, in UTF-8.');
}

/** The same, and bytes that are no text as they are. Throws `E_SECRETS_EMPTY`. */
export async function secretValue(question: string, signal: AbortSignal): Promise<string | Uint8Array> {
  const given = process.stdin.isTTY ? Buffer.from(await unseen(question, signal, process.stdin)) : await buffer(process.stdin);
  const value = isUtf8(given) ? given.toString().replace(/\r?\n$/, '') : given;
  if (value.length === 0) throw problem('E_SECRETS_EMPTY', 'nothing was given', 'Type it when asked, or pipe it in: printf %s "$VALUE" | firstlight secrets set …. An empty value needs no secret: `firstlight secrets edit` writes it.');
  return value;
}

/** The same, lines until an empty one: an identity, or shares of one. */
export async function secretLines(question: string, signal: AbortSignal): Promise<string> {
  if (!process.stdin.isTTY) return secretInput(question, signal);
  const lines: string[] = [];
  for (;;) {
    const line = await unseen(lines.length === 0 ? question : 'the next line, or nothing:', signal, process.stdin);
    if (line.trim() === '') return lines.join('\n');
    lines.push(line);
  }
}

/** Asks for a passphrase at the terminal, also where a value is piped in: that is not taken for it. Throws `E_AGE_LOCKED` where there is no terminal. */
export async function passphraseInput(path: string, signal: AbortSignal): Promise<string> {
  const question = `The passphrase of ${path}:`;
  if (process.stdin.isTTY) return unseen(question, signal, process.stdin);
  let terminal: number;
  try {
    terminal = openSync('/dev/tty', 'r+');
  } catch {
    throw problem('E_AGE_LOCKED', `the age key file ${path} is under a passphrase, and there is no terminal to ask for it`,
      'Run it at a terminal; or open the key into memory first (age -d FILE > /dev/shm/key) and set SOPS_AGE_KEY_FILE to that.');
  }
  const input = new ReadStream(terminal);
  try {
    return await unseen(question, signal, input);
  } finally {
    input.destroy();
  }
}

async function unseen(question: string, signal: AbortSignal, input: NodeJS.ReadableStream): Promise<string> {
  process.stderr.write(`? ${question} `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => { done(); } });
  const line = createInterface({ input, output: nowhere, terminal: true });
  try {
    return await line.question('', { signal });
  } finally {
    line.close();
    process.stderr.write('\n');
  }
}
