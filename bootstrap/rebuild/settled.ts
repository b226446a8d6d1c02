import type { Host } from '../../lib/host.ts';
import type { Conclusion } from './diagnosis.ts';

/** Milliseconds in which etcd chooses another leader when one has died: within seconds; what a peer's time-out takes is added. */
const ELECTION_MS = 20_000;
const EVERY_MS = 2_000;

/**
 * What a diagnosis comes to when an election has passed: one that refuses for the quorum's sake is made again until it does not, for
 * ELECTION_MS at most, because whoever rebuilds a control plane often does so seconds after its death. Gives the last one.
 */
export async function settled<T extends { readonly conclusion: Pick<Conclusion, 'refuse'> }>(host: Pick<Host, 'clock' | 'signal' | 'emit'>, look: () => Promise<T>): Promise<T> {
  const end = host.clock.now() + ELECTION_MS;
  for (;;) {
    const seen = await look();
    const { refuse } = seen.conclusion;
    if (refuse?.code !== 'E_REBUILD_QUORUM' || host.clock.now() >= end) return seen;
    host.emit({ code: 'wait.seen', message: `${refuse.reason}; looking again` });
    await host.clock.sleep(EVERY_MS, host.signal);
  }
}
