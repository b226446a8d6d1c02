import type { Result } from './test-file.ts';

/** Tells a test run as it goes, and its end. */
export type Story = { began(file: string): void; ended(result: Result): Result; close(results: readonly Result[]): void };

const QUIET_MS = 15_000;

/**
 * Lines for people and logs: one per finished file, failures in full at once, what still runs whenever nothing was said for
 * 15 s; at the end the failures' names once more and, alone on the last line, `N passed, N failed`. `now` is milliseconds.
 */
export function createStory(write: (text: string) => void, now: () => number): Story {
  const running = new Map<string, number>();
  let last = now();
  const line = (text: string): void => {
    last = now();
    write(`${text}\n`);
  };
  const timer = setInterval(() => {
    if (running.size === 0 || now() - last < QUIET_MS) return;
    line(`  … ${[...running].map(([file, since]) => `${file} (${Math.round((now() - since) / 1000)} s)`).join(', ')}`);
  }, 1_000);
  timer.unref();
  return {
    began: (file) => void running.set(file, now()),
    ended(result) {
      running.delete(result.file);
      const { file, passed, failures, skipped, ms } = result;
      const counts = [`${passed} passed`, failures.length > 0 && `${failures.length} failed`, skipped > 0 && `${skipped} skipped`].filter(Boolean).join(', ');
      line(`  ${failures.length === 0 ? '✔' : '✖'} ${file}  ${counts}  ${(ms / 1000).toFixed(1)} s`);
      for (const failure of failures) line(`\n    ✖ ${failure.name}\n${indent(failure.text)}\n`);
      if (failures.length > 0 && result.output.trim() !== '') line(`    what ${file} printed:\n${indent(result.output)}\n`);
      return result;
    },
    close(results) {
      clearInterval(timer);
      const count = (of: (result: Result) => number): number => results.reduce((sum, result) => sum + of(result), 0);
      const failed = results.flatMap(({ file, failures }) => failures.map(({ name }) => `  ✖ ${file}: ${name}`));
      if (failed.length > 0) line(`\nFailed\n${failed.join('\n')}`);
      const skipped = count((result) => result.skipped);
      if (skipped > 0) line(`\n${skipped} skipped`);
      line(`\n${count((result) => result.passed)} passed, ${failed.length} failed`);
    },
  };
}

function indent(text: string): string {
  return text.trimEnd().split('\n').map((each) => `      ${each}`).join('\n');
}
