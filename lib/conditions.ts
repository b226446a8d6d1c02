import { problem, FirstlightError } from './errors.ts';
import type { Host } from './host.ts';

/** What a look at the world said: met, or not yet with what was seen. */
export type Look<T> = { readonly met: true; readonly value: T } | { readonly met: false; readonly seen: string };

/** A named thing to wait for ("etcd on cp-1 is Preparing"). */
export type Condition<T> = {
  /** A sentence in the present tense, for people. */
  readonly name: string;
  /** One look. A thrown FirstlightError ends the wait at once; any other error counts as "not yet". */
  look(signal: AbortSignal): Promise<Look<T>>;
  /** Milliseconds until the wait is given up. */
  readonly deadlineMs: number;
  /** Milliseconds between looks; 250 unless told. */
  readonly everyMs?: number;
  /** What to do when it never comes true. */
  readonly hint: string;
};

/** Looks until the condition is met and gives its value. Throws `E_DEADLINE` with the last thing seen, or the abort. */
export async function waitFor<T>(condition: Condition<T>, host: Pick<Host, 'clock' | 'signal' | 'emit'>): Promise<T> {
  const end = host.clock.now() + condition.deadlineMs;
  let seen = 'nothing yet';
  for (;;) {
    host.signal.throwIfAborted();
    const look = await condition.look(host.signal).catch((error: unknown): Look<T> => {
      if (error instanceof FirstlightError) throw error;
      return { met: false, seen: error instanceof Error ? error.message : String(error) };
    });
    if (look.met) return look.value;
    if (look.seen !== seen) host.emit({ code: 'wait.seen', message: `${condition.name}: ${look.seen}` });
    seen = look.seen;
    if (host.clock.now() >= end) {
      const seconds = Math.round(condition.deadlineMs / 1000);
      throw problem('E_DEADLINE', `waited ${seconds} s for: ${condition.name}; last seen: ${seen}`, condition.hint);
    }
    await host.clock.sleep(condition.everyMs ?? 250, host.signal);
  }
}
