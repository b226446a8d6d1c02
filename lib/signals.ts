/**
 * A signal that fires when one of the given ones does, with its reason; in place of `AbortSignal.any`, whose signal is held
 * weakly by its sources: one that nobody listened to (only `aborted` was asked now and then) was seen to miss the abort in Node 24.
 * This one is held by its sources until it fires, so give it sources that fire, or end with the work.
 */
export function eitherSignal(...sources: readonly AbortSignal[]): AbortSignal {
  const either = new AbortController();
  for (const source of sources) {
    if (source.aborted) either.abort(source.reason);
    else source.addEventListener('abort', () => either.abort(source.reason), { once: true, signal: either.signal });
  }
  return either.signal;
}
