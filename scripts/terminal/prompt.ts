import { createInterface } from 'node:readline/promises';
import { problem } from '../../lib/errors.ts';
import type { Question } from '../../lib/host.ts';

/**
 * Asks the person on standard error. With `yes`, or where nobody sits at a terminal, the fallback is taken; a question
 * without one then throws `E_NOBODY`.
 */
export async function ask(question: Question, yes: boolean, signal: AbortSignal): Promise<string> {
  if (yes || !process.stdin.isTTY) {
    if (question.fallback !== undefined) return question.fallback;
    throw problem('E_NOBODY', `nobody can be asked: ${question.text}`, 'Run it at a terminal, or say the answer with the command’s options.');
  }
  const line = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await line.question(`? ${question.text} `, { signal });
    return answer.trim() || (question.fallback ?? '');
  } finally {
    line.close();
  }
}
