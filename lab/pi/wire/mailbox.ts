/** Messages that come while a stream is served, in their order. */
export type Mailbox = {
  put(message: Uint8Array): void;
  /** Forgets what waits. */
  clear(): void;
  /** Every message, those that wait first, until the signal fires. */
  deliver(signal: AbortSignal): AsyncGenerator<Uint8Array>;
};

/** Makes a mailbox that holds `waiting` already. */
export function createMailbox(waiting: readonly Uint8Array[] = []): Mailbox {
  const queue = [...waiting];
  let wake = (): void => {};
  return {
    put: (message) => { queue.push(message); wake(); },
    clear: () => { queue.length = 0; },
    async* deliver(signal) {
      const gone = (): void => wake();
      signal.addEventListener('abort', gone);
      try {
        while (!signal.aborted) {
          const next = queue.shift();
          if (next) yield next;
          else await new Promise<void>((resolve) => { wake = resolve; });
        }
      } finally {
        signal.removeEventListener('abort', gone);
      }
    },
  };
}
