import { FirstlightError } from '../../lib/errors.ts';
import { withSignal, type Host } from '../../lib/host.ts';
import type { Seen } from './diagnosis.ts';

/**
 * One look with a deadline: what it gave, or why it gave nothing. A work that does not heed the deadline is left behind. Throws only
 * when the run itself is aborted, and what is no error of ours.
 */
export async function look<T>(host: Host, ms: number, work: (host: Host) => Promise<T>): Promise<Seen<T>> {
  const deadline = AbortSignal.timeout(ms);
  const over = new Promise<'over'>((resolve) => deadline.addEventListener('abort', () => resolve('over'), { once: true }));
  const working = work(withSignal(host, deadline)).then((value): Seen<T> => ({ known: true, value }), (error: unknown): Seen<T> => {
    if (deadline.aborted) return { known: false, why: late(ms) };
    if (error instanceof FirstlightError) return { known: false, why: host.mask.hide(error.message) };
    throw error;
  });
  const done = await Promise.race([working, over]);
  host.signal.throwIfAborted();
  return done === 'over' ? { known: false, why: late(ms) } : done;
}

/** What is known, or undefined. */
export function known<T>(seen: Seen<T>): T | undefined {
  return seen.known ? seen.value : undefined;
}

function late(ms: number): string {
  return `no answer within ${ms / 1000} s`;
}
