import { startGuarded, type LabCommand, type LabProcess } from '../guard.ts';
import { pause } from './secure-client.ts';

/** A program that is started again whenever it ends by itself, as a static pod is. */
export type KeptProgram = {
  /** The pid of the program now; it changes with a restart. */
  pid(): number | undefined;
  /** The last call: it does not run afterwards. */
  end(how: 'stop' | 'kill'): Promise<void>;
};

/** Between two starts of a program that ended by itself. */
const RESTART_MS = 1_000;

/** Starts a program once `after` resolves (never where it rejects), and again a second after it ended by itself. Returns at once. */
export function keepRunning(command: LabCommand, after: Promise<unknown>): KeptProgram {
  const ended = new AbortController();
  const { signal } = ended;
  let current: LabProcess | undefined;
  const over = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  const keep = async (): Promise<void> => {
    await Promise.race([after, over]);
    while (!signal.aborted) {
      current = await startGuarded(command);
      if (signal.aborted) await current.kill();
      await current.exited;
      current = undefined;
      await pause(RESTART_MS, signal);
    }
  };
  const running = keep().catch(() => ended.abort());
  return {
    pid: () => current?.pid,
    end: async (how) => {
      ended.abort();
      await current?.[how]();
      await running;
    },
  };
}
