import type { Host } from '../../lib/host.ts';
import type { ObjectCount } from '../../talos/snapshot-contents.ts';
import { parseTable } from '../../talos/tables.ts';
import { talosctl, type Access } from '../../talos/talosctl.ts';
import type { Facts } from '../facts.ts';

/** A list of objects and what it is of (`backup gandalf-…`, `the snapshot`). `at` is ISO 8601. */
export type KnownObjects = { readonly of: string; readonly at?: string; readonly objects: readonly ObjectCount[] };

/** What was known of the cluster before its etcd was made anew: its objects where some list tells them, and the pods that its workers still ran (`namespace/name`). `revision` is that of the snapshot it came back from, where it did. */
export type Before = { readonly known?: KnownObjects; readonly running: Readonly<Record<string, readonly string[]>>; readonly revision?: number };

/** The pods that each worker still runs, by node name; without the workers that can't be asked. Changes nothing. */
export async function runningPods(host: Host, facts: Facts): Promise<Before['running']> {
  const workers = facts.cluster.nodes.filter((node) => node.role === 'worker');
  const seen = await Promise.all(workers.map(async (node) => {
    const pods = await podsOf(host, await facts.access(host, node)).catch(() => undefined);
    host.signal.throwIfAborted();
    return pods === undefined ? [] : [[node.name, pods] as const];
  }));
  return Object.fromEntries(seen.flat());
}

/** The pod sandboxes of a machine, as its container runtime knows them. Throws `E_TALOS_…`. */
async function podsOf(host: Host, access: Access): Promise<readonly string[]> {
  return sandboxes((await talosctl(host, access, ['containers', '--kubernetes'])).stdout);
}

/** Reads the table of `talosctl containers -k`: sandboxes begin at the margin, their containers are drawn below them. */
export function sandboxes(text: string): readonly string[] {
  return parseTable(text).filter((row) => /^[^\s└├]+\/\S+$/.test(row['ID'] ?? '') && (row['STATUS'] ?? '').includes('READY')).map((row) => row['ID']!).toSorted();
}
