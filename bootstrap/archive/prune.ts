import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Place } from './places/place.ts';
import { CLOCKS_MS, retention, type KeepPolicy, type Retention } from './retention.ts';

/**
 * Takes away the archives of a place that the policy does not keep, oldest first, each told by an event `archive.pruned`. `made` is the archive that was put there
 * and proven just now: without it in the list nothing is taken away. `verified` names others that were proven. Throws `E_PRUNE_LIST` and what the place throws.
 */
export async function prune(host: Host, place: Place, policy: KeepPolicy, made: string, verified: ReadonlySet<string> = new Set()): Promise<Retention> {
  const listed = await place.list();
  if (!listed.some(({ name }) => name === made)) {
    throw problem('E_PRUNE_LIST', `${place.where} does not list ${made}, which was just put there: nothing was taken away`, 'Look at the place by hand before an older backup goes.');
  }
  const decided = retention(listed.map(({ name, at }) => ({ name, at, verified: name === made || verified.has(name) })), policy, host.clock.now() + CLOCKS_MS);
  for (const name of [...decided.drop].reverse()) {
    host.signal.throwIfAborted();
    await place.remove(name);
    host.emit({ code: 'archive.pruned', message: `took ${name} away from ${place.where}: ${decided.why[name]}` });
  }
  return decided;
}
