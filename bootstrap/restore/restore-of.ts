import type { Host } from '../../lib/host.ts';
import type { RestoreRecord } from '../../lib/lock-file.ts';
import { createLookout, type Neighbours } from '../boards.ts';
import type { Facts } from '../facts.ts';
import { rebuildOf, type Rebuild } from '../rebuild/rebuild-of.ts';
import type { Archive } from '../archive/types.ts';
import type { Patience } from '../up.ts';
import { changeRecord } from './record.ts';

/** What the steps of one restore share. `boards` are the nodes that get new cards, each as a rebuild has it; `lookout` is one for all. */
export type Restore = {
  readonly facts: Facts;
  readonly record: RestoreRecord;
  readonly archive: Archive;
  readonly patience: Patience;
  readonly lookout: (host: Host) => Promise<Neighbours>;
  readonly boards: ReadonlyMap<string, Rebuild>;
};

/** The restore that a record tells of. From here on only cards with the record's nonces are these nodes': older ones are refused wherever they answer. Throws `E_REBUILD_NODE`. */
export function restoreOf(facts: Facts, record: RestoreRecord, archive: Archive, patience: Patience): Restore {
  const lookout = createLookout(facts);
  const boards = Object.entries(record.cards).map(([node, nonce]): [string, Rebuild] => {
    const own = { node, nonce, way: 'worker' as const, since: record.since, ...(record.written?.includes(node) ? { written: true } : {}) };
    const noteWritten = (): Promise<void> => changeRecord(facts, (now) => ({ ...now, written: [...new Set([...now.written ?? [], node])] }));
    return [node, { ...rebuildOf(facts, own, patience), lookout, noteWritten }];
  });
  return { facts, record, archive, patience, lookout, boards: new Map(boards) };
}
