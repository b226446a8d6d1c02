import { problem, type FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { readLock, updateLock } from '../lib/lock-file.ts';
import type { Identity } from '../talos/identity.ts';
import { proveNode } from '../talos/proof.ts';
import type { Facts } from './facts.ts';

/**
 * Takes from the lock file which card each rebuilt node is to run from, and of the rebuild or restore that is under way the new ones. What this run
 * knows better already (it wrote the card) stays. Throws `E_LOCK`.
 */
export async function recallCards(facts: Facts): Promise<void> {
  const { cards, cardsSince = {}, rebuild, restore } = await readLock(facts.lockFile);
  const known = { ...cards, ...restore?.cards, ...(rebuild === undefined ? {} : { [rebuild.node]: rebuild.nonce }) };
  const since: Record<string, string> = { ...cardsSince, ...(rebuild === undefined ? {} : { [rebuild.node]: rebuild.since }) };
  for (const [node, nonce] of Object.entries(known)) {
    if (!facts.nonces.has(node)) facts.nonces.set(node, nonce);
    const date = since[node];
    if (date !== undefined && facts.nonces.get(node) === nonce) facts.rebuilt.set(node, date);
  }
}

/** A card that was just written takes the place of the one that the lock file knows of its node: only nodes that were rebuilt are there. Throws `E_LOCK`. */
export async function rememberCards(facts: Facts, host: Host, written: readonly { readonly node: string; readonly nonce: string }[]): Promise<void> {
  const { cards, rebuild } = await readLock(facts.lockFile);
  const newer = written.filter(({ node, nonce }) => cards[node] !== undefined && cards[node] !== nonce && rebuild?.node !== node);
  if (newer.length === 0) return;
  const now = new Date(host.clock.now()).toISOString();
  await updateLock(facts.lockFile, { cards: Object.fromEntries(newer.map(({ node, nonce }) => [node, nonce])), cardsSince: Object.fromEntries(newer.map(({ node }) => [node, now])) });
}

/** A board that runs a config of this cluster from a card that its node no longer has is told at once, whichever node was asked for. Throws `E_IDENTITY_OLD_CARD`. */
export function refuseReturned(facts: Facts, neighbours: ReadonlyMap<string, Identity>): void {
  const [first, ...more] = returned(facts, neighbours);
  if (first && more.length === 0) throw first;
  if (first) throw problem(first.code, [first, ...more].map(({ message }) => message).join('; '), first.hint, { where: first.where });
}

/** What a check says of old boards: none is about, or nothing could be. Looks at the network only where a node was rebuilt. Throws as `refuseReturned` and `lookout`. */
export async function oldCardsReport(facts: Facts, lookout: (host: Host) => Promise<ReadonlyMap<string, Identity>>, host: Host): Promise<string> {
  await recallCards(facts);
  const rebuilt = facts.cluster.nodes.filter(({ name }) => facts.nonces.has(name)).map(({ name }) => name);
  if (rebuilt.length === 0) return 'no node was rebuilt yet';
  refuseReturned(facts, await lookout(host));
  return `none of ${rebuilt.join(', ')}`;
}

function returned(facts: Facts, neighbours: ReadonlyMap<string, Identity>): FirstlightError[] {
  return [...neighbours.values()].flatMap((identity) => {
    const node = identity.kind === 'configured' ? facts.cluster.nodes.find(({ name }) => name === identity.hostname) : undefined;
    if (!node || !facts.nonces.has(node.name)) return [];
    try {
      proveNode(facts.cluster, node, identity, facts.nonces.get(node.name), facts.rebuilt.get(node.name));
    } catch (error) {
      if ((error as FirstlightError).code === 'E_IDENTITY_OLD_CARD') return [error as FirstlightError];
    }
    return [];
  });
}
