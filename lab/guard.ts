import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { closeSync, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { keeperScript } from '../lib/keeper.ts';
import { ownLink } from './link.ts';

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

/**
 * Starts a program that cannot outlive this process, however this process ends. On a machine whose link is cut it stands still: to
 * the others that is the same as one that they cannot reach. Throws what spawn throws.
 */
export async function startGuarded(command: LabCommand): Promise<LabProcess> {
  const log = openSync(command.log, 'a', 0o600);
  const keeper = spawn('/bin/sh', ['-c', keeperScript({ tellPid: true }), 'keeper', command.program, ...command.args], {
    env: command.env,
    stdio: ['ignore', log, log, 'pipe', 'pipe'],
    detached: true,
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
  });
  closeSync(log);
  const life = keeper.stdio[3] as Writable;
  const told = keeper.stdio[4] as Readable;
  life.on('error', () => {});
  const exited = once(keeper, 'exit').then(([code, signal]) => Number(code ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0)));
  const [first] = await once(told, 'data') as [Buffer];
  const pid = Number.parseInt(first.toString(), 10);
  told.destroy();
  const link = ownLink();
  const stand = (cut: boolean): void => signalTo(pid, cut ? 'SIGSTOP' : 'SIGCONT');
  const unfollow = link?.follow(stand);
  if (link?.isCut) stand(true);
  void exited.then(() => unfollow?.());
  const kill = async (): Promise<void> => {
    life.destroy();
    await exited;
  };
  const stop = async (): Promise<void> => {
    keeper.kill('SIGTERM');
    const timer = setTimeout(() => life.destroy(), 5_000);
    await exited;
    clearTimeout(timer);
    life.destroy();
  };
  return { pid, exited, stop, kill };
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone.
  }
}
