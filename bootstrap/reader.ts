import type { Host } from '../lib/host.ts';
import { THIS_DESK, type Desk } from '../nodes/cards/desk.ts';
import { withReader } from '../nodes/cards/remote/reader.ts';
import type { Facts } from './facts.ts';

/**
 * Works where the cluster's cards are written: at this machine, or at the one the inventory names as reader. The credentials are
 * opened only where no key of the owner's SSH agent was taken. Throws what `withReader` and the work throw.
 */
export function withDesk<T>(facts: Facts, host: Host, work: (desk: Desk) => Promise<T>): Promise<T> {
  const { reader } = facts.cluster;
  return reader === undefined ? work(THIS_DESK) : withReader(host, reader, async () => (await facts.credentials(host)).readerKey, work);
}
