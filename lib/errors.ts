/** Where an error stands: a place in a file, or a node and step of a run. Lines and columns count from 1. */
export type Where = {
  readonly file?: string;
  readonly line?: number;
  readonly col?: number;
  readonly node?: string;
  readonly step?: string;
};

/** The parts an error may have beside code, message and hint. */
export type ErrorExtra = { readonly where?: Where; readonly cause?: unknown };

/**
 * The one error type: a stable code (`E_…`), what happened, what to do next, where, and what caused it.
 * Messages and hints never hold a secret: they are built from names, addresses and codes only.
 */
export class FirstlightError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly where: Where;

  constructor(code: string, message: string, hint: string, extra: ErrorExtra = {}) {
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.name = 'FirstlightError';
    this.code = code;
    this.hint = hint;
    this.where = extra.where ?? {};
  }
}

/** Several mistakes of one input, told together (tenet 6). `problems` is never empty. */
export class ManyErrors extends FirstlightError {
  readonly problems: readonly FirstlightError[];

  constructor(code: string, message: string, hint: string, problems: readonly FirstlightError[]) {
    super(code, message, hint);
    this.name = 'ManyErrors';
    this.problems = problems;
  }
}

/** Makes (does not throw) a coded error; `throw problem(…)` keeps the throw visible at the call. */
export function problem(code: string, message: string, hint: string, extra: ErrorExtra = {}): FirstlightError {
  return new FirstlightError(code, message, hint, extra);
}

/** Adds a place to an error where it has none yet; anything else becomes `E_INTERNAL` with the thing as cause. */
export function located(error: unknown, where: Where): FirstlightError {
  if (error instanceof ManyErrors) return error;
  if (error instanceof FirstlightError) {
    const extra = { where: { ...where, ...error.where }, cause: error.cause };
    return new FirstlightError(error.code, error.message, error.hint, extra);
  }
  const message = error instanceof Error ? error.message : String(error);
  return new FirstlightError('E_INTERNAL', message, 'This is a fault of firstlight: please report it with the journal.', { where, cause: error });
}

/** True for an abort by a signal (Ctrl+C or a sibling's failure), however a library words it. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || (error as { code?: unknown }).code === 'ABORT_ERR'
    || (error instanceof FirstlightError && error.code === 'E_ABORTED'));
}
