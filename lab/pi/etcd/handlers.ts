import { open } from 'node:fs/promises';
import type { Etcd } from '../../kubernetes/etcd.ts';
import { EtcdRefusal } from '../../kubernetes/etcd-gateway.ts';
import type { Handlers } from '../api/handler.ts';
import type { Node } from '../node.ts';
import { pack, unpack } from '../wire/messages.ts';
import { GrpcError, status } from '../wire/status.ts';

const CHUNK = 1024;
const OK = pack('EmptyResponse', { messages: [{}] });

function controlPlane(node: Node, what: string): void {
  if (node.config?.role !== 'control plane') throw status('Unimplemented', `${what} is only available on control plane nodes`);
}

async function local(node: Node, signal: AbortSignal): Promise<Etcd> {
  if (!node.etcd) return new Promise(() => {});
  return node.etcd.running(signal);
}

/** etcd's own refusal under Talos' words; without a prefix its code stays, as Talos passes it on. */
async function asked<T>(call: Promise<T>, prefix?: string): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof EtcdRefusal)) throw error;
    throw new GrpcError(error.code || 2, prefix === undefined ? error.message : `${prefix}: ${error.message}`);
  }
}

async function* snapshot(etcd: Etcd): AsyncGenerator<Uint8Array> {
  let held: Buffer = Buffer.alloc(0);
  for await (const piece of etcd.snapshot()) {
    held = Buffer.concat([held, piece]);
    // All but the digest goes out in messages of 1024 bytes, as Talos sends them; the digest is the last 32 bytes.
    while (held.length >= CHUNK + 32) {
      yield pack('Data', { bytes: held.subarray(0, CHUNK) });
      held = held.subarray(CHUNK);
    }
  }
  if (held.length > 32) yield pack('Data', { bytes: held.subarray(0, held.length - 32) });
  yield pack('Data', { bytes: held.subarray(Math.max(0, held.length - 32)) });
}

/** The etcd calls of machine.MachineService. Before etcd runs all but the worker's refusal wait for ever. */
export const ETCD_HANDLERS: Handlers = {
  EtcdMemberList: async function* (node, call) {
    controlPlane(node, 'member list');
    const members = await asked((await local(node, call.signal)).members());
    const sorted = members.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    yield pack('EtcdMemberListResponse', {
      messages: [{
        legacy_members: sorted.map((one) => one.name),
        members: sorted.map((one) => ({ id: one.id, hostname: one.name, peer_urls: one.peerUrls, client_urls: one.clientUrls, is_learner: one.learner })),
      }],
    });
  },
  EtcdStatus: async function* (node, call) {
    controlPlane(node, 'etcd status');
    const said = await asked((await local(node, call.signal)).status());
    yield pack('EtcdStatusResponse', {
      messages: [{
        member_status: {
          protocol_version: said.version, db_size: said.dbSize, db_size_in_use: said.dbSizeInUse, leader: said.leader, raft_index: said.raftIndex, raft_term: said.raftTerm,
          raft_applied_index: said.raftAppliedIndex, errors: said.errors, is_learner: said.learner, member_id: said.memberId, storage_version: said.storageVersion,
        },
      }],
    });
  },
  EtcdAlarmList: async function* (node, call) {
    controlPlane(node, 'etcd alarm list');
    const alarms = await asked((await local(node, call.signal)).alarms(), 'failed to list etcd alarms');
    yield pack('EtcdAlarmResponse', { messages: [{ member_alarms: alarms.map((one) => ({ member_id: one.memberId, alarm: one.alarm === 'CORRUPT' ? 2 : 1 })) }] });
  },
  EtcdAlarmDisarm: async function* (node, call) {
    controlPlane(node, 'etcd alarm list');
    await local(node, call.signal);
    yield pack('EtcdAlarmResponse', { messages: [{}] });
  },
  EtcdDefragment: async function* (node, call) {
    controlPlane(node, 'etcd defragment');
    await asked((await local(node, call.signal)).defragment(), 'failed to defragment etcd');
    yield OK;
  },
  EtcdRemoveMemberByID: async function* (node, call, request) {
    controlPlane(node, 'etcd remove member');
    const id = (unpack('EtcdRemoveMemberByIDRequest', request)['member_id'] ?? 0n) as bigint;
    await asked((await local(node, call.signal)).removeMember(id), `failed to remove member ${id}`);
    yield OK;
  },
  EtcdLeaveCluster: async function* (node, call) {
    controlPlane(node, 'etcd leave');
    const etcd = await local(node, call.signal);
    const { memberId } = await asked(etcd.status());
    try {
      await etcd.removeMember(memberId);
    } catch (error) {
      throw status('Unknown', `failed to leave cluster: 1 error(s) occurred:\n\tfailed to remove member ${memberId}: ${(error as Error).message}`);
    }
    await node.etcd?.left();
    yield OK;
  },
  EtcdForfeitLeadership: async function* (node, call) {
    controlPlane(node, 'etcd forfeit leadership');
    const etcd = await local(node, call.signal);
    const [members, said] = [await asked(etcd.members()), await asked(etcd.status())];
    if (members.length === 1) throw status('Unknown', 'failed to forfeit leadership: cannot forfeit leadership, only one member');
    const heir = members.find((one) => one.id !== said.memberId && !one.learner);
    if (said.leader !== said.memberId || !heir) return void (yield pack('EtcdForfeitLeadershipResponse', { messages: [{}] }));
    await asked(etcd.moveLeader(heir.id), 'failed to forfeit leadership');
    yield pack('EtcdForfeitLeadershipResponse', { messages: [{ member: heir.name }] });
  },
  EtcdSnapshot: async function* (node, call) {
    controlPlane(node, 'etcd snapshot');
    yield* snapshot(await local(node, call.signal));
  },
  EtcdRecover: async function* (node, call, request) {
    controlPlane(node, 'etcd recover');
    if (!node.etcd) throw status('FailedPrecondition', 'etcd service is not ready for recovery yet');
    const file = await open(node.etcd.snapshotFile, 'w', 0o600);
    try {
      await file.write((unpack('Data', request)['bytes'] ?? new Uint8Array()) as Uint8Array);
      for await (const message of call.requests) await file.write((unpack('Data', message)['bytes'] ?? new Uint8Array()) as Uint8Array);
    } finally {
      await file.close();
    }
    yield OK;
  },
  Bootstrap: async function* (node, _call, request) {
    if (node.config?.role !== 'control plane') throw status('FailedPrecondition', 'bootstrap can only be performed on a control plane node');
    if (!node.timeSynced) throw status('FailedPrecondition', 'time is not in sync yet');
    if (!node.etcd) throw status('FailedPrecondition', 'bootstrap is not available yet');
    const order = unpack('BootstrapRequest', request);
    await node.etcd.bootstrap({ recover: order['recover_etcd'] === true, skipHashCheck: order['recover_skip_hash_check'] === true });
    yield OK;
  },
};
