import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { execa, type Options } from 'execa';
import { problem } from './errors.ts';
import type { Command, CommandResult } from './host.ts';
import { keeperScript } from './keeper.ts';
import type { Mask } from './masking.ts';
import { eitherSignal } from './signals.ts';

const KEEPER = keeperScript({ tellPid: false });
const FETCH = 'Run `firstlight tools` to fetch the programs firstlight needs; git and ssh come with the system.';

/** What a runner needs: where programs are, the whole environment of children, the abort and the mask. */
export type RunnerSetup = {
  /** Absolute paths by bare name; a name not here is looked up on the environment's PATH. */
  readonly programs: ReadonlyMap<string, string>;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly mask: Mask;
};

/**
 * The way programs are run: execa, with a deadline, abort, no inherited environment, an end when we end, and error texts of our own
 * (execa's hold the whole argv and output; ours hold the program's name, its leading plain words, two at most, and the end of its stderr, masked).
 */
export function createRunner(setup: RunnerSetup): (command: Command) => Promise<CommandResult> {
  return async (command) => {
    const name = shortName(command);
    const env = { ...setup.environment, ...command.env };
    const file = await findProgram(setup.programs.get(command.program) ?? command.program, env['PATH'] ?? '');
    const options: Options = {
      env,
      extendEnv: false,
      detached: true,
      reject: false,
      stripFinalNewline: false,
      timeout: command.timeoutMs ?? 60_000,
      cancelSignal: command.signal ? eitherSignal(setup.signal, command.signal) : setup.signal,
      forceKillAfterDelay: command.graceMs ?? 2_000,
      maxBuffer: 64 * 1024 * 1024,
      stdio: [command.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', 'pipe'],
      ...(command.stdin === undefined ? {} : { input: command.stdin }),
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    };
    const child = execa('/bin/sh', ['-c', KEEPER, 'keeper', file, ...command.args], options);
    const followed = Promise.allSettled([followLines(child.stderr, command.onStderrLine), followLines(child.stdout, command.onStdoutLine)]);
    child.nodeChildProcess.once('exit', () => endGroup(child.pid));
    const done = await child;
    await followed;
    const stdout = String(done.stdout ?? '');
    const stderr = String(done.stderr ?? '');
    if (done.isCanceled) throw problem('E_ABORTED', `${name} was stopped`, 'Run the same command again: it continues where it was.');
    if (done.timedOut) {
      const seconds = Math.round((command.timeoutMs ?? 60_000) / 1000);
      throw problem('E_TIMEOUT', `${name} gave no answer within ${seconds} s`, 'See whether the machine it speaks to is up and reachable, then run again.');
    }
    if (done.exitCode === undefined) throw problem('E_NO_PROGRAM', `${command.program} did not run (${done.code ?? done.signal ?? 'unknown'})`, FETCH);
    const accept = command.accept ?? [0];
    if (accept !== 'any' && !accept.includes(done.exitCode)) {
      const tail = setup.mask.hide(lastLines(stderr) || lastLines(stdout) || 'no output');
      throw problem('E_PROGRAM', `${name} ended with ${done.exitCode}: ${tail}`, 'The program’s own words are above; mend what it names and run again.');
    }
    return { exitCode: done.exitCode, stdout, stderr };
  };
}

/** What a program left behind in its process group goes with it: it would hold our pipes open. */
function endGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL');
  } catch {
    // nobody left
  }
}

async function findProgram(program: string, path: string): Promise<string> {
  const candidates = program.includes('/') ? [program] : path.split(':').filter(Boolean).map((folder) => join(folder, program));
  for (const candidate of candidates) {
    if (await access(candidate, constants.X_OK).then(() => true, () => false)) return candidate;
  }
  throw problem('E_NO_PROGRAM', `${program} is not there`, FETCH);
}

function shortName(command: Command): string {
  const end = command.args.findIndex((word) => !/^[a-z][a-z-]*$/.test(word));
  const words = command.args.slice(0, end < 0 ? 2 : Math.min(end, 2));
  return [command.program.split('/').at(-1), ...words].join(' ');
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-6).map((line) => line.trim()).join(' | ').slice(-1200);
}

async function followLines(stream: NodeJS.ReadableStream | null | undefined, each: ((line: string) => void) | undefined): Promise<void> {
  if (!stream || !each) return;
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(each);
  }
  if (rest) each(rest);
}
