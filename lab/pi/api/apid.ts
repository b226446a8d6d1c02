import type { KeyPair } from '../../kubernetes/types.ts';
import type { Node } from '../node.ts';
import { connectGrpc, type GrpcClient } from '../wire/client.ts';
import { pack } from '../wire/messages.ts';
import type { Call, Handler } from '../wire/server.ts';
import { asGrpcError, goText, status } from '../wire/status.ts';
import { answerHere } from './local.ts';

const STREAMS = new Set(['Copy', 'Dmesg', 'EtcdSnapshot', 'Events', 'HealthCheck', 'ImageList', 'Kubeconfig', 'List', 'DiskUsage', 'Logs', 'PacketCapture', 'Read']);
const IMPERSONATOR = 'os:impersonator';

/** What a control plane's apid shows to the others and trusts in them. A worker has none: it forwards nothing. */
export type ForwardTls = { readonly ca: string; readonly client: KeyPair };

/** apid of a machine with a config: routes calls by `nodes` and `node`, as siderolabs/talos:internal/app/apid does. */
export type Apid = { readonly handler: Handler; close(): void };

function nodeMetadata(target: string, failure?: unknown): Uint8Array {
  if (failure === undefined) return pack('Empty', { metadata: { hostname: target } });
  const error = asGrpcError(failure);
  return pack('Empty', { metadata: { hostname: target, error: goText(error), status: { code: error.code, message: error.message } } });
}

// Protobuf lets a field follow its message: the answer's metadata goes behind its only `messages` entry.
function withMetadata(reply: Uint8Array, metadata: Uint8Array): Uint8Array {
  let at = 1;
  while ((reply[at] ?? 0) & 0x80) at += 1;
  const body = Buffer.concat([reply.subarray(at + 1), metadata]);
  const length: number[] = [];
  for (let rest = body.length; ; rest >>>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Buffer.from([0x0a, ...length]), body]);
}

async function collect(messages: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

async function* interleaved(sources: readonly AsyncIterable<Uint8Array>[]): AsyncGenerator<Uint8Array> {
  const open = new Map(sources.map((source) => {
    const iterator = source[Symbol.asyncIterator]();
    return [iterator, iterator.next()] as const;
  }));
  while (open.size > 0) {
    const [iterator, next] = await Promise.race([...open].map(async ([one, pending]) => [one, await pending] as const));
    if (next.done === true) open.delete(iterator);
    else {
      open.set(iterator, iterator.next());
      yield next.value;
    }
  }
}

/** Makes the apid of `node`; `forward` is a control plane's. */
export function createApid(node: Node, forward: ForwardTls | undefined): Apid {
  const clients = new Map<string, GrpcClient>();

  const remote = (target: string, call: Call, requests: readonly Uint8Array[]): AsyncIterable<Uint8Array> => {
    const found = clients.get(target) ?? connectGrpc(target, 50000, { ca: forward!.ca, ...forward!.client });
    clients.set(target, found);
    return found.call(call.method, requests, { proxyfrom: call.authority, 'talos-role': call.roles.join(',') }, call.signal);
  };
  const at = (target: string, call: Call, requests: readonly Uint8Array[]): AsyncIterable<Uint8Array> => {
    if (target !== node.address) return remote(target, call, requests);
    return answerHere(node, { ...call, requests: (async function* () { yield* requests; })() });
  };

  async function* unaryAt(target: string, call: Call, requests: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    try {
      for await (const reply of at(target, call, requests)) yield withMetadata(reply, nodeMetadata(target));
    } catch (error) {
      yield withMetadata(Buffer.from([0x0a, 0x00]), nodeMetadata(target, error));
    }
  }
  async function* streamAt(target: string, call: Call, requests: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    try {
      for await (const reply of at(target, call, requests)) yield Buffer.concat([reply, nodeMetadata(target)]);
    } catch (error) {
      yield nodeMetadata(target, error);
    }
  }

  async function* handler(incoming: Call): AsyncGenerator<Uint8Array> {
    const impersonated = incoming.roles.includes(IMPERSONATOR) ? (incoming.metadata.get('talos-role') ?? []).flatMap((one) => one.split(',')) : incoming.roles;
    const call = { ...incoming, roles: impersonated };
    const name = call.method.split('/')[2] ?? '';
    let nodes = call.metadata.get('nodes');
    let single = call.metadata.get('node');
    if (call.metadata.has('proxyfrom')) return void (yield* answerHere(node, call));
    if (single !== undefined && single.length !== 1) throw status('InvalidArgument', 'node metadata must be single-valued');
    if (!forward) {
      if (single?.[0] === node.address || single?.[0] === node.hostname) single = undefined;
      if (nodes?.length === 1 && (nodes[0] === node.address || nodes[0] === node.hostname)) nodes = undefined;
      if (nodes !== undefined || single !== undefined) throw status('PermissionDenied', 'no request forwarding');
    }
    if (nodes !== undefined) {
      if (call.method.startsWith('/cosi.')) throw status('InvalidArgument', 'one-2-many proxying is not supported for COSI methods');
      const requests = await collect(call.requests);
      if (STREAMS.has(name)) return void (yield* interleaved(nodes.map((target) => streamAt(target, call, requests))));
      // The replies of several machines are one: protobuf messages add up when put behind one another.
      return void (yield Buffer.concat(await collect(interleaved(nodes.map((target) => unaryAt(target, call, requests))))));
    }
    if (single !== undefined) return void (yield* at(single[0]!, call, await collect(call.requests)));
    yield* answerHere(node, call);
  }

  return {
    handler,
    close: () => {
      for (const client of clients.values()) client.close();
    },
  };
}
