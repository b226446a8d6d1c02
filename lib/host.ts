import type { Mask } from './masking.ts';
import { eitherSignal } from './signals.ts';

/** One fact of a run as it happens. `code` is stable (`step.started`, `flash.progress`, …); payloads hold no secrets. */
export type RunEvent = {
  readonly code: string;
  readonly node?: string;
  readonly step?: string;
  readonly message?: string;
  readonly data?: Readonly<Record<string, unknown>>;
};

/** A question to the person; `fallback` is taken where nobody can be asked (a question without one then fails `E_NOBODY`). */
export type Question = { readonly code: string; readonly text: string; readonly fallback?: string };

/** A program to run. Secrets go through `stdin`, `env` or 0600 files, never through `args` (tenet 4). */
export type Command = {
  /** A bare name (`talosctl`), resolved among the host's programs and then PATH, or an absolute path. */
  readonly program: string;
  readonly args: readonly string[];
  readonly stdin?: string | Uint8Array;
  /** Added to the host's environment; undefined takes a variable out of it. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Milliseconds; 60,000 unless told. A command without a deadline does not exist. */
  readonly timeoutMs?: number;
  /** Exit codes that are not an error; `[0]` unless told; `'any'` returns every code. */
  readonly accept?: readonly number[] | 'any';
  /** Stops the program besides the host's own signal. */
  readonly signal?: AbortSignal;
  /** Milliseconds it may take to end once it was told to, before it is killed; 2,000 unless told. */
  readonly graceMs?: number;
  /** Each line of standard error as it comes, for progress. */
  readonly onStderrLine?: (line: string) => void;
  /** The same of standard output. */
  readonly onStdoutLine?: (line: string) => void;
};

/** What a program answered. Text is UTF-8, whole, without the last newline stripped. */
export type CommandResult = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

/** Time, as the code below `scripts/` sees it; a test gives its own. */
export type Clock = {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms` milliseconds; rejects with an AbortError when `signal` fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
};

/** The same host under a narrower signal: programs it runs and waits on it end when either fires, or the program's own signal. */
export function withSignal(host: Host, signal: AbortSignal): Host {
  const both = eitherSignal(host.signal, signal);
  return { ...host, signal: both, run: (command) => host.run({ ...command, signal: command.signal ? eitherSignal(both, command.signal) : both }) };
}

/** All that code below `scripts/` may know of the outside world (design.md: nothing there prints, prompts, reads clock or environment). */
export type Host = {
  emit(event: RunEvent): void;
  ask(question: Question): Promise<string>;
  /** Runs a program; throws `E_PROGRAM` (exit code not accepted), `E_NO_PROGRAM`, `E_TIMEOUT`, `E_ABORTED`. */
  run(command: Command): Promise<CommandResult>;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly mask: Mask;
  /** Socket of the owner's SSH agent, where one runs. */
  readonly sshAgent?: string;
  /** A private folder (0700), in memory where the system has one, gone when the command ends: for files that hold secrets. */
  readonly scratch: string;
  /** The folder for what may be fetched again (images, tools). */
  readonly cache: string;
};
