import type { Host } from '../../lib/host.ts';
import type { Rebuild } from './rebuild-of.ts';
import { identify } from '../../talos/identity.ts';

/**
 * Which of the two boards that a node's name may stand for answers at its own address with a config of this cluster: the `new` one runs
 * the card of this rebuild, the `old` one any other. `maintenance` is a board that waits for its config there, `none` that nothing does.
 */
export type Incarnation = 'new' | 'old' | 'maintenance' | 'none';

/** Asks the machine at the node's address; changes nothing. Throws `E_TALOS_…` for answers that no state of a board explains. */
export async function incarnationOf(host: Host, { facts, node, record }: Rebuild): Promise<Incarnation> {
  const identity = await identify(host, facts.cluster, node.address, await facts.talosconfig(host));
  if (identity.kind === 'maintenance') return 'maintenance';
  if (identity.kind !== 'configured') return 'none';
  return identity.stamp?.nonce === record.nonce ? 'new' : 'old';
}
