import { createSecureClient, linesOf, textOf, type Access } from './secure-client.ts';

/** One member of etcd; a learner does not vote. A member that has not started yet has an empty name and no client URLs. */
export type EtcdMember = {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly learner: boolean;
};

/** What one member says of itself. Sizes are bytes; `leader` is 0n where there is none. */
export type EtcdStatus = {
  readonly memberId: bigint;
  readonly clusterId: bigint;
  readonly version: string;
  readonly storageVersion: string;
  readonly dbSize: bigint;
  readonly dbSizeInUse: bigint;
  readonly leader: bigint;
  readonly raftIndex: bigint;
  readonly raftTerm: bigint;
  readonly raftAppliedIndex: bigint;
  readonly errors: readonly string[];
  readonly learner: boolean;
};

/** An alarm that a member has raised. */
export type EtcdAlarm = { readonly memberId: bigint; readonly alarm: 'NOSPACE' | 'CORRUPT' };

/** etcd's own refusal: `code` is the gRPC code, `message` its words (`etcdserver: no leader`, …). */
export class EtcdRefusal extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.name = 'EtcdRefusal';
    this.code = code;
  }
}

/** etcd's API as its JSON gateway offers it (etcd-io/etcd:api/etcdserverpb/rpc.proto). Every call has a deadline of 10 s. */
export type EtcdGateway = {
  members(): Promise<EtcdMember[]>;
  status(): Promise<EtcdStatus>;
  alarms(): Promise<EtcdAlarm[]>;
  addLearner(peerUrl: string): Promise<bigint>;
  promote(id: bigint): Promise<void>;
  removeMember(id: bigint): Promise<void>;
  moveLeader(target: bigint): Promise<void>;
  defragment(): Promise<void>;
  /** The database followed by its 32-byte SHA-256, as `talosctl etcd snapshot` stores it, in pieces. */
  snapshot(): AsyncGenerator<Uint8Array>;
  /** The raw value of one key, or undefined. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** A lease of so many seconds; what is put under it goes when it runs out. */
  grant(seconds: number): Promise<string>;
  /** Lengthens a lease. Throws where it has run out. */
  keepAlive(lease: string): Promise<void>;
  revoke(lease: string): Promise<void>;
  put(key: string, value: string, lease: string): Promise<void>;
  /** The oldest key that begins so, if there is one. */
  oldest(prefix: string): Promise<{ readonly key: string; readonly value: string } | undefined>;
  remove(key: string): Promise<void>;
  close(): void;
};

type Json = { readonly [key: string]: unknown };

/** Speaks to one member's client URL with a client certificate. Calls throw EtcdRefusal, or the connection's error. */
export function etcdGateway(access: Access): EtcdGateway {
  const client = createSecureClient(access);
  const call = async (path: string, body: Json): Promise<Json> => {
    const answer = await client.open({ method: 'POST', path: `/v3/${path}`, body });
    const said = await textOf(answer);
    if (answer.statusCode !== 200) throw refusal(said, answer.statusCode ?? 0);
    return JSON.parse(said) as Json;
  };
  async function* snapshot(): AsyncGenerator<Uint8Array> {
    const answer = await client.open({ method: 'POST', path: '/v3/maintenance/snapshot', body: {} });
    if (answer.statusCode !== 200) throw refusal(await textOf(answer), answer.statusCode ?? 0);
    for await (const line of linesOf(answer)) {
      const { result, error } = JSON.parse(line) as { result?: { blob?: string }; error?: { code?: number; message?: string } };
      if (error) throw new EtcdRefusal(error.code ?? 0, error.message ?? 'snapshot failed');
      if (result?.blob) yield Buffer.from(result.blob, 'base64');
    }
  }
  return {
    members: async () => list(await call('cluster/member/list', {}), 'members').map(member),
    status: async () => status(await call('maintenance/status', {})),
    alarms: async () => list(await call('maintenance/alarm', { action: 'GET' }), 'alarms')
      .map((alarm) => ({ memberId: id(alarm['memberID']), alarm: alarm['alarm'] === 'CORRUPT' ? 'CORRUPT' : 'NOSPACE' })),
    addLearner: async (peerUrl) => {
      const added = await call('cluster/member/add', { peerURLs: [peerUrl], isLearner: true });
      return id((added['member'] as Json)['ID']);
    },
    promote: async (target) => void await call('cluster/member/promote', { ID: String(target) }),
    removeMember: async (target) => void await call('cluster/member/remove', { ID: String(target) }),
    moveLeader: async (target) => void await call('maintenance/transfer-leadership', { targetID: String(target) }),
    defragment: async () => void await call('maintenance/defragment', {}),
    snapshot,
    get: async (key) => {
      const [found] = list(await call('kv/range', { key: base64(key) }), 'kvs');
      return found === undefined ? undefined : Buffer.from(String(found['value'] ?? ''), 'base64');
    },
    grant: async (seconds) => String((await call('lease/grant', { TTL: String(seconds), ID: '0' }))['ID']),
    keepAlive: async (lease) => {
      const { result } = await call('lease/keepalive', { ID: lease });
      if (Number((result as Json | undefined)?.['TTL'] ?? 0) <= 0) throw new EtcdRefusal(5, 'etcdserver: requested lease not found');
    },
    revoke: async (lease) => void await call('lease/revoke', { ID: lease }),
    put: async (key, value, lease) => void await call('kv/put', { key: base64(key), value: base64(value), lease }),
    oldest: async (prefix) => {
      const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
      const [found] = list(await call('kv/range', { key: base64(prefix), range_end: base64(end), limit: '1', sort_order: 'ASCEND', sort_target: 'CREATE' }), 'kvs');
      return found && { key: text(found['key']), value: text(found['value']) };
    },
    remove: async (key) => void await call('kv/deleterange', { key: base64(key) }),
    close: () => client.close(),
  };
}

const base64 = (plain: string): string => Buffer.from(plain).toString('base64');
const text = (encoded: unknown): string => Buffer.from(String(encoded ?? ''), 'base64').toString('utf8');

function refusal(body: string, status: number): EtcdRefusal {
  try {
    const said = JSON.parse(body) as { code?: number; message?: string; error?: string };
    return new EtcdRefusal(said.code ?? 2, said.message ?? said.error ?? body);
  } catch {
    return new EtcdRefusal(2, `HTTP ${status}: ${body.slice(0, 200)}`);
  }
}

function member(said: Json): EtcdMember {
  return {
    id: id(said['ID']), name: String(said['name'] ?? ''), learner: said['isLearner'] === true,
    peerUrls: (said['peerURLs'] ?? []) as string[], clientUrls: (said['clientURLs'] ?? []) as string[],
  };
}

function status(said: Json): EtcdStatus {
  const header = (said['header'] ?? {}) as Json;
  return {
    memberId: id(header['member_id']), clusterId: id(header['cluster_id']),
    version: String(said['version'] ?? ''), storageVersion: String(said['storageVersion'] ?? ''),
    dbSize: id(said['dbSize']), dbSizeInUse: id(said['dbSizeInUse']), leader: id(said['leader']),
    raftIndex: id(said['raftIndex']), raftTerm: id(said['raftTerm']), raftAppliedIndex: id(said['raftAppliedIndex']),
    errors: (said['errors'] ?? []) as string[], learner: said['isLearner'] === true,
  };
}

const id = (said: unknown): bigint => BigInt(String(said ?? '0'));
const list = (said: Json, name: string): Json[] => (said[name] ?? []) as Json[];
