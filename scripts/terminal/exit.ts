import { FirstlightError, isAbort } from '../../lib/errors.ts';

/** Exit codes: 0 done, 1 failed, 2 differences found, 64 usage, 65 bad input, 130 interrupted. */
export type ExitCode = 0 | 1 | 2 | 64 | 65 | 130;

/** The exit code an error ends a command with. */
export function exitCodeOf(error: unknown): ExitCode {
  if (isAbort(error)) return 130;
  if (error instanceof FirstlightError && error.code.startsWith('E_USAGE')) return 64;
  if (error instanceof FirstlightError && /^E_(INVENTORY|SCENARIO)/.test(error.code)) return 65;
  return 1;
}
