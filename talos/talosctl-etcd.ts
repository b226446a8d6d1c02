import type { Host } from '../lib/host.ts';
import { getResources } from './resources.ts';
import { parseTable } from './tables.ts';
import { talosctl, type Access } from './talosctl.ts';

/** A member of etcd. `id` is hex without padding, as `talosctl etcd remove-member` takes it; `hostname` is empty for a second after joining. */
export type EtcdMember = { readonly id: string; readonly hostname: string; readonly peerUrls: readonly string[]; readonly clientUrls: readonly string[]; readonly learner: boolean };

/** One member's own status. Indexes and term are 64-bit; `errors` are etcd's words (`etcdserver: no leader`). */
export type EtcdStatus = {
  readonly member: string; readonly leader: string; readonly raftIndex: bigint; readonly raftTerm: bigint; readonly learner: boolean;
  readonly protocol: string; readonly dbSize: string; readonly errors: string;
};

/**
 * The members etcd knows, as this control plane's etcd answers. Dead ones are listed too, with nothing to tell them apart.
 * Hangs (`E_TALOS_HANG`) while etcd does not run there: see `etcdPhase` first. `E_TALOS_NO_LEADER` without quorum.
 */
export async function etcdMembers(host: Host, access: Access, timeoutMs = 20_000): Promise<readonly EtcdMember[]> {
  return parseMembers((await talosctl(host, access, ['etcd', 'members'], { timeoutMs })).stdout);
}

/** Reads the table of `talosctl etcd members`. */
export function parseMembers(text: string): readonly EtcdMember[] {
  return parseTable(text).map((row) => ({
    id: row['ID'] ?? '', hostname: row['HOSTNAME'] ?? '', peerUrls: list(row['PEER URLS']), clientUrls: list(row['CLIENT URLS']), learner: row['LEARNER'] === 'true',
  }));
}

/** The status of this control plane's etcd. Hangs (`E_TALOS_HANG`) while etcd does not run there. */
export async function etcdStatus(host: Host, access: Access): Promise<EtcdStatus | undefined> {
  return parseStatus((await talosctl(host, access, ['etcd', 'status'])).stdout)[0];
}

/** Reads the table of `talosctl etcd status`. */
export function parseStatus(text: string): readonly EtcdStatus[] {
  return parseTable(text).map((row) => ({
    member: row['MEMBER'] ?? '', leader: row['LEADER'] ?? '', raftIndex: BigInt(row['RAFT INDEX'] || 0), raftTerm: BigInt(row['RAFT TERM'] || 0),
    learner: row['LEARNER'] === 'true', protocol: row['PROTOCOL'] ?? '', dbSize: row['DB SIZE'] ?? '', errors: row['ERRORS'] ?? '',
  }));
}

/** The id of the machine's own etcd member (hex), or undefined while it has none. Answers at once in every state. */
export async function localMember(host: Host, access: Access): Promise<string | undefined> {
  const id = ((await getResources(host, access, 'etcdmembers'))[0]?.spec as { memberID?: unknown } | undefined)?.memberID;
  return id === undefined || id === null ? undefined : String(id);
}

/**
 * Tells this control plane to make a new etcd cluster of itself. Real Talos does not protect against doing so twice: decide
 * with `bootstrapDecision` and have the intent on disk first. Throws `E_TALOS_NOT_READY`, `E_TALOS_ALREADY`, `E_TALOS_WORKER`.
 */
export async function bootstrapEtcd(host: Host, access: Access): Promise<void> {
  await talosctl(host, access, ['bootstrap'], { timeoutMs: 30_000 });
}

function list(cell: string | undefined): readonly string[] {
  return (cell ?? '').split(',').map((part) => part.trim()).filter((part) => part !== '');
}
