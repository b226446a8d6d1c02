/** A controller that runs: is it ready for work, and its end. `exited` resolves when it ended, by itself too. */
export type RunningController = {
  ready(): Promise<boolean>;
  readonly exited: Promise<unknown>;
  stop(): Promise<void>;
  kill(): Promise<void>;
};

/** A controller as its Deployment wants it. */
export type Runs = {
  /** Runs it with these arguments (restarting it when they changed), or not at all. */
  want(args: readonly string[] | undefined): Promise<void>;
  ready(): Promise<boolean>;
  /** The last call: nothing runs afterwards. */
  end(how: 'stop' | 'kill'): Promise<void>;
};

const RESTART_MS = 1_000;

/** Keeps at most one instance of a controller running, and starts it again a second after it ended by itself. */
export function controllerRuns(start: (args: readonly string[]) => Promise<RunningController>): Runs {
  let wanted: readonly string[] | undefined;
  let current: { readonly controller: RunningController; readonly args: string } | undefined;
  let over = false;
  let turn: Promise<void> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    turn = turn.then(work, work);
    return turn;
  };
  const follow = async (): Promise<void> => {
    const args = over || wanted === undefined ? undefined : JSON.stringify(wanted);
    if (args === current?.args) return;
    await current?.controller.stop();
    current = undefined;
    if (args === undefined || wanted === undefined) return;
    const controller = await start(wanted);
    current = { controller, args };
    void controller.exited.then(() => {
      if (current?.controller !== controller) return;
      current = undefined;
      setTimeout(() => void inTurn(follow).catch(() => {}), RESTART_MS).unref();
    });
  };
  return {
    want: (args) => {
      wanted = args;
      return inTurn(follow);
    },
    ready: async () => current !== undefined && current.controller.ready().catch(() => false),
    end: async (how) => {
      over = true;
      await current?.controller[how]();
      await inTurn(follow).catch(() => {});
    },
  };
}
