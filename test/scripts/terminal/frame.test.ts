import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManyErrors, problem } from '../../../lib/errors.ts';
import { errorFrame } from '../../../scripts/terminal/frame.ts';
import { exitCodeOf } from '../../../scripts/terminal/exit.ts';

const show = (text: string): string => text;

test('a coded error is told with place, cause and what to do', () => {
  const error = problem('E_DEMO', 'it broke', 'mend it', { where: { file: '/home/me/machines/g/cluster.yaml', line: 4, col: 9 }, cause: new Error('deep') });
  assert.equal(errorFrame(error, show, '/home/me'), '✖ E_DEMO  it broke\n  at machines/g/cluster.yaml:4:9\n  because deep\n  → mend it\n');
  const step = problem('E_DEMO', 'it broke', 'mend it', { where: { node: 'w-1', step: 'cards' } });
  assert.match(errorFrame(step, show, '/'), /at node w-1, step cards/);
});

test('many errors are all told, and secrets in none', () => {
  const many = new ManyErrors('E_INVENTORY', '2 mistakes', 'mend', [problem('E_A', 'canary one', 'x'), problem('E_B', 'two', 'y')]);
  const text = errorFrame(many, (line) => line.replaceAll('canary', '•••'), '/');
  assert.match(text, /E_A {2}••• one[\s\S]*E_B[\s\S]*E_INVENTORY {2}2 mistakes/);
});

test('exit codes: usage 64, bad input 65, interrupted 130, the rest 1', () => {
  assert.deepEqual(['E_USAGE_X', 'E_INVENTORY', 'E_ABORTED', 'E_ISCSI_AUTH'].map((code) => exitCodeOf(problem(code, '', ''))), [64, 65, 130, 1]);
});
