import { FirstlightError, problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { getResources } from './resources.ts';
import { parseTable } from './tables.ts';
import { talosctl, type Access } from './talosctl.ts';

/** A member of etcd. `id` is 16 hex digits, as `talosctl etcd remove-member` takes it; `hostname` is empty for a second after joining. */
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
export async function etcdStatus(host: Host, access: Access, timeoutMs = 20_000): Promise<EtcdStatus | undefined> {
  return parseStatus((await talosctl(host, access, ['etcd', 'status'], { timeoutMs })).stdout)[0];
}

/** Reads the table of `talosctl etcd status`. */
export function parseStatus(text: string): readonly EtcdStatus[] {
  return parseTable(text).map((row) => ({
    member: row['MEMBER'] ?? '', leader: row['LEADER'] ?? '', raftIndex: BigInt(row['RAFT INDEX'] || 0), raftTerm: BigInt(row['RAFT TERM'] || 0),
    learner: row['LEARNER'] === 'true', protocol: row['PROTOCOL'] ?? '', dbSize: row['DB SIZE'] ?? '', errors: row['ERRORS'] ?? '',
  }));
}

/** The id of the machine's own etcd member (hex), or undefined while it has none. Answers at once in every state. */
export async function localMember(host: Host, access: Access, timeoutMs = 20_000): Promise<string | undefined> {
  const id = ((await getResources(host, access, 'etcdmembers', undefined, timeoutMs))[0]?.spec as { memberID?: unknown } | undefined)?.memberID;
  return id === undefined || id === null ? undefined : String(id);
}

/**
 * Removes a member by its hex id, asked of a healthy control plane; decide with `removalDecision` first: etcd removes a live one as well.
 * `gone` where there is no such member any more. Hangs (`E_TALOS_HANG`) without a quorum; whether it happened is then to be looked at.
 * Throws `E_ETCD_MEMBER_ID` for what is no hex id, `E_TALOS_ETCD_REFUSED` where etcd itself sees too few healthy members.
 */
export async function removeMember(host: Host, access: Access, id: string): Promise<'removed' | 'gone'> {
  if (!/^[0-9a-f]{1,16}$/i.test(id)) throw problem('E_ETCD_MEMBER_ID', `“${id}” is no id of an etcd member`, 'Ids are hex, as `talosctl etcd members` shows them; a name may stand for two members.');
  try {
    await talosctl(host, access, ['etcd', 'remove-member', id]);
    return 'removed';
  } catch (error) {
    if (error instanceof FirstlightError && error.code === 'E_TALOS_NOT_FOUND' && error.message.includes('etcdserver: member not found')) return 'gone';
    throw error;
  }
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
