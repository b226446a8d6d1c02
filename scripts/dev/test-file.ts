import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';
import { eitherSignal } from '../../lib/signals.ts';

/** One failed test: its name with those of the tests around it, and the error in full. */
export type Failure = { readonly name: string; readonly text: string };
/** What came of one test file. `output` is what it printed; `ms` is the time it took. */
export type Result = { readonly file: string; readonly passed: number; readonly failures: readonly Failure[]; readonly skipped: number; readonly ms: number; readonly output: string };

type Ended = { readonly name: string; readonly nesting: number; readonly skip?: string | boolean | undefined; readonly todo?: string | boolean | undefined; readonly details: { readonly type?: string | undefined; readonly error?: unknown } };

/** Runs one test file (path from `root`) in a Node of its own; each `test` counts, suites and the file itself do not. */
export async function runFile(root: string, file: string, deadlineMs: number, signal: AbortSignal): Promise<Result> {
  const started = Date.now();
  const path = join(root, file);
  const failures: Failure[] = [];
  const output: string[] = [];
  const around: string[] = [];
  let passed = 0;
  let skipped = 0;
  // node:test's own time-out leaves a hanging file's process alive; an abort ends it.
  const deadline = AbortSignal.timeout(deadlineMs);
  const stream = run({ files: [path], cwd: root, isolation: 'process', concurrency: 1, signal: eitherSignal(signal, deadline) });
  stream.on('test:start', ({ name, nesting }) => { around.length = nesting; around.push(name); });
  stream.on('test:stdout', ({ message }) => void output.push(message));
  stream.on('test:stderr', ({ message }) => void output.push(message));
  const isPut = (mark: string | boolean | undefined): boolean => mark !== undefined && mark !== false;
  const isFile = (test: Ended): boolean => test.nesting === 0 && (test.name === path || test.name === file);
  stream.on('test:pass', (test: Ended) => {
    if (test.details.type === 'suite' || isFile(test)) return;
    if (isPut(test.skip) || isPut(test.todo)) skipped += 1;
    else passed += 1;
  });
  stream.on('test:fail', (test: Ended) => {
    if (isPut(test.todo)) {
      skipped += 1;
      return;
    }
    const type = (test.details.error as { failureType?: string } | undefined)?.failureType;
    if (type === 'subtestsFailed' || (type === 'testAborted' && deadline.aborted)) return;
    failures.push({ name: [...around.slice(0, test.nesting), test.name].join(' › '), text: errorText(test.details.error) });
  });
  for await (const _event of stream);
  if (deadline.aborted) failures.push({ name: file, text: `not done after ${deadlineMs / 1000} s: ended` });
  if (passed + skipped + failures.length === 0) failures.push({ name: file, text: 'the file holds no test' });
  return { file, passed, failures, skipped, ms: Date.now() - started, output: output.join('') };
}

/** Checks the types of everything; counts as one test. */
export async function checkTypes(root: string, signal: AbortSignal): Promise<Result> {
  const started = Date.now();
  const output: string[] = [];
  const child = spawn(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '--noEmit', '--pretty', 'false'], { cwd: root, signal, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.on('data', (data: Buffer) => void output.push(data.toString()));
  child.stderr.on('data', (data: Buffer) => void output.push(data.toString()));
  const code = await new Promise<number>((resolve) => {
    child.on('error', (error) => { output.push(error.message); resolve(1); });
    child.on('close', (exit) => resolve(exit ?? 1));
  });
  const failures = code === 0 ? [] : [{ name: 'types', text: output.join('') }];
  return { file: 'types', passed: code === 0 ? 1 : 0, failures, skipped: 0, ms: Date.now() - started, output: '' };
}

/** An error with its causes and what was expected; node:test's own wrapper is taken off. */
function errorText(error: unknown): string {
  const inner = error instanceof Error && 'failureType' in error && error.cause !== undefined ? error.cause : error;
  return inspect(inner, { depth: 6, colors: false });
}
