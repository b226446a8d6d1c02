import { execa, type Options } from 'execa';
import { problem } from './errors.ts';
import type { Command, CommandResult } from './host.ts';
import type { Mask } from './masking.ts';

/** What a runner needs: where programs are, the whole environment of children, the abort and the mask. */
export type RunnerSetup = {
  /** Absolute paths by bare name; a name not here is looked up on the environment's PATH. */
  readonly programs: ReadonlyMap<string, string>;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly mask: Mask;
};

/**
 * The way programs are run: execa, with a deadline, abort, no inherited environment, and error texts of our own
 * (execa's hold the whole argv and output; ours hold the program's name, its leading plain words, two at most, and the end of its stderr, masked).
 */
export function createRunner(setup: RunnerSetup): (command: Command) => Promise<CommandResult> {
  return async (command) => {
    const file = setup.programs.get(command.program) ?? command.program;
    const name = shortName(command);
    const options: Options = {
      env: { ...setup.environment, ...command.env },
      extendEnv: false,
      reject: false,
      stripFinalNewline: false,
      timeout: command.timeoutMs ?? 60_000,
      cancelSignal: command.signal ? AbortSignal.any([setup.signal, command.signal]) : setup.signal,
      forceKillAfterDelay: 2_000,
      maxBuffer: 64 * 1024 * 1024,
      ...(command.stdin === undefined ? { stdin: 'ignore' as const } : { input: command.stdin }),
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    };
    const child = execa(file, [...command.args], options);
    if (command.onStderrLine) void followLines(child.stderr, command.onStderrLine);
    const done = await child;
    const stdout = String(done.stdout ?? '');
    const stderr = String(done.stderr ?? '');
    if (done.isCanceled) throw problem('E_ABORTED', `${name} was stopped`, 'Run the same command again: it continues where it was.');
    if (done.timedOut) {
      const seconds = Math.round((command.timeoutMs ?? 60_000) / 1000);
      throw problem('E_TIMEOUT', `${name} gave no answer within ${seconds} s`, 'See whether the machine it speaks to is up and reachable, then run again.');
    }
    if (done.exitCode === undefined) {
      const reason = done.code === 'ENOENT' ? 'is not there' : `did not run (${done.code ?? done.signal ?? 'unknown'})`;
      throw problem('E_NO_PROGRAM', `${command.program} ${reason}`, 'Run `firstlight tools` to fetch the programs firstlight needs.');
    }
    const accept = command.accept ?? [0];
    if (accept !== 'any' && !accept.includes(done.exitCode)) {
      const tail = setup.mask.hide(lastLines(stderr) || lastLines(stdout) || 'no output');
      throw problem('E_PROGRAM', `${name} ended with ${done.exitCode}: ${tail}`, 'The program’s own words are above; mend what it names and run again.');
    }
    return { exitCode: done.exitCode, stdout, stderr };
  };
}

function shortName(command: Command): string {
  const end = command.args.findIndex((word) => !/^[a-z][a-z-]*$/.test(word));
  const words = command.args.slice(0, end < 0 ? 2 : Math.min(end, 2));
  return [command.program.split('/').at(-1), ...words].join(' ');
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-6).map((line) => line.trim()).join(' | ').slice(-1200);
}

async function followLines(stream: NodeJS.ReadableStream | null | undefined, each: (line: string) => void): Promise<void> {
  if (!stream) return;
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(each);
  }
  if (rest) each(rest);
}
