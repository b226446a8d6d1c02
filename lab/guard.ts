import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';

/** A program of the lab's world. `pid` is the program's own. */
export type LabProcess = {
  readonly pid: number;
  /** The exit status, as a shell tells it (128 + signal for a killed one). */
  readonly exited: Promise<number>;
  /** SIGTERM, then SIGKILL after five seconds; resolves when it is gone. */
  stop(): Promise<void>;
  /** SIGKILL, as a power cut; resolves when it is gone. */
  kill(): Promise<void>;
};

/** What to start: an absolute path, its arguments, its whole environment, and the file its output is appended to. */
export type LabCommand = {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly log: string;
};

// The program runs under a shell that holds a pipe from us: when we die, by kill -9 too, the pipe closes and it is killed.
const KEEPER = `
exec 3<&0
"$@" </dev/null 3<&- >&4 2>&1 4>&- & c=$!
echo "$c"; exec >&4 2>&4 4>&-
trap 'kill -TERM $c 2>/dev/null' TERM
( read -r _ <&3; kill -KILL $c 2>/dev/null ) & w=$!
exec 3<&-
while :; do wait $c; s=$?; kill -0 $c 2>/dev/null || break; done
kill $w 2>/dev/null
exit $s`;

/** Starts a program that cannot outlive this process, however this process ends. Throws what spawn throws. */
export async function startGuarded(command: LabCommand): Promise<LabProcess> {
  const log = openSync(command.log, 'a', 0o600);
  const keeper = spawn('/bin/sh', ['-c', KEEPER, 'keeper', command.program, ...command.args], {
    env: command.env,
    stdio: ['pipe', 'pipe', 'ignore', 'ignore', log],
    detached: true,
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
  });
  closeSync(log);
  keeper.stdin!.on('error', () => {});
  const exited = once(keeper, 'exit').then(([code, signal]) => Number(code ?? (signal ? 128 : 0)));
  const [first] = await once(keeper.stdout!, 'data') as [Buffer];
  const pid = Number.parseInt(first.toString(), 10);
  keeper.stdout!.destroy();
  const kill = async (): Promise<void> => {
    keeper.stdin!.end();
    await exited;
  };
  const stop = async (): Promise<void> => {
    keeper.kill('SIGTERM');
    const timer = setTimeout(() => keeper.stdin!.end(), 5_000);
    await exited;
    clearTimeout(timer);
  };
  return { pid, exited, stop, kill };
}
