import { FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { ClusterNode } from '../nodes/cluster.ts';
import { phaseOf } from './etcd.ts';
import type { ControlPlaneLook, PeerSight } from './quorum.ts';
import { etcdMembers, etcdStatus, localMember } from './talosctl-etcd.ts';
import { serviceState } from './talosctl-services.ts';
import { talosctl, type Access } from './talosctl.ts';

/** How long each question of a look may take, in milliseconds: calls to an etcd without a quorum hang, or take 16 s to fail. */
const QUESTION_MS = 8_000;

/** How many lines of etcd's log are read: what it says of its peers comes with every change, and every few seconds while one is lost. */
const LOG_LINES = 1_000;

/**
 * Looks at one control plane's etcd for `removalDecision`; changes nothing. Each question has a deadline, and one that is not answered is left out.
 * A machine that can't be asked at all becomes `asked: false`; only an abort is thrown.
 */
export async function lookAtMember(host: Host, { name: node, address }: Pick<ClusterNode, 'name' | 'address'>, access: Access): Promise<ControlPlaneLook> {
  const at = host.clock.now();
  const whose = { node, address, at };
  try {
    const service = await serviceState(host, access, 'etcd', QUESTION_MS);
    const phase = phaseOf(service);
    const detail = service ? `etcd is ${service.state}: ${service.lastEvent}` : 'no etcd service yet';
    const member = await answered(localMember(host, access, QUESTION_MS));
    if (phase !== 'running') return { ...whose, asked: true, phase, detail, ...(member === undefined ? {} : { member }) };
    const [status, members, peers] = await Promise.all([
      answered(etcdStatus(host, access, QUESTION_MS)), answered(etcdMembers(host, access, QUESTION_MS)), answered(peersOf(host, access)),
    ]);
    return {
      ...whose, asked: true, phase, detail,
      ...(member === undefined ? {} : { member }), ...(status === undefined ? {} : { status }), ...(members === undefined ? {} : { members }), ...(peers === undefined ? {} : { peers }),
    };
  } catch (error) {
    if (isTalos(error)) return { ...whose, asked: false, seen: error.message };
    throw error;
  }
}

/** What this member's etcd says in its log of its connections to the other members, by their hex id. Throws `E_TALOS_…`. */
async function peersOf(host: Host, access: Access): Promise<ReadonlyMap<string, PeerSight>> {
  return parsePeers((await talosctl(host, access, ['logs', 'etcd', '--tail', String(LOG_LINES)], { timeoutMs: QUESTION_MS })).stdout);
}

/**
 * Reads from etcd's log (JSON lines, each behind `ADDRESS: `) what it last said of each peer; a peer that it just begins to connect to is
 * unknown. Messages: etcd-io/etcd:server/etcdserver/api/rafthttp/{peer,peer_status,stream,probing_status}.go and etcdserver/cluster_util.go.
 */
export function parsePeers(log: string): ReadonlyMap<string, PeerSight> {
  const peers = new Map<string, PeerSight>();
  for (const line of log.split('\n')) {
    const message = /"msg":"([^"]*)"/.exec(line)?.[1] ?? '';
    const id = /"(?:remote-)?(?:peer|member)-id":"([0-9a-f]+)"/.exec(line.replace(/"local-member-id":"[0-9a-f]+"/, ''))?.[1];
    if (id === undefined) continue;
    const key = id.padStart(16, '0');
    if (message === 'starting remote peer' || message === 'removed remote peer') peers.delete(key);
    else if (/^peer became active$|^established TCP streaming connection with remote peer$/.test(message)) peers.set(key, 'active');
    else if (/^peer became inactive|^prober detected unhealthy status$|^failed to reach the peer URL$/.test(message)) peers.set(key, 'inactive');
  }
  return peers;
}

/** An answer, or undefined where the machine gave none to this question. */
async function answered<T>(question: Promise<T>): Promise<T | undefined> {
  try {
    return await question;
  } catch (error) {
    if (isTalos(error)) return undefined;
    throw error;
  }
}

function isTalos(error: unknown): error is FirstlightError {
  return error instanceof FirstlightError && error.code.startsWith('E_TALOS');
}
