import dgram from 'node:dgram';
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

/** Judges an address or a name that this process is about to speak to; an error refuses it. */
export type Judge = (host: string, port: number | undefined) => Error | undefined;

type Callback = (error: Error) => void;
type Methods = Record<string, (...args: never[]) => unknown>;

/**
 * From now on every connection, datagram and name look-up of this process is judged before it is made, whichever library makes it: TLS,
 * HTTP and fetch all go through `net.Socket`. A refused one fails as if nobody answered. Gives what ends that.
 */
export function judgeOwnConnections(judge: Judge): () => void {
  const undo: (() => void)[] = [];
  const replace = (holder: object, name: string, made: (before: (...args: unknown[]) => unknown) => (this: unknown, ...args: unknown[]) => unknown): void => {
    const methods = holder as Methods;
    const before = methods[name]!;
    methods[name] = made(before as never) as never;
    undo.push(() => { methods[name] = before; });
  };
  replace(net.Socket.prototype, 'connect', (before) => function connect(this: unknown, ...args) {
    const target = targetOf(args);
    const refusal = target && judge(target.host, target.port);
    if (!refusal) return before.apply(this, args);
    const socket = this as net.Socket;
    process.nextTick(() => socket.destroy(refusal));
    return socket;
  });
  for (const name of ['send', 'connect']) {
    replace(dgram.Socket.prototype, name, (before) => function datagram(this: unknown, ...args) {
      const host = args.findLast((each) => typeof each === 'string' && each !== args[0]) as string | undefined;
      const refusal = host === undefined ? undefined : judge(host, undefined);
      if (!refusal) return before.apply(this, args);
      return fail(args, refusal, (error) => (this as dgram.Socket).emit('error', error));
    });
  }
  for (const name of ['lookup', 'resolve', 'resolve4', 'resolve6', 'resolveAny', 'resolveSrv', 'resolveTxt', 'reverse']) {
    replace(dns, name, (before) => function lookup(this: unknown, ...args) {
      const refusal = judge(String(args[0]), undefined);
      return refusal ? fail(args, refusal, (error) => { throw error; }) : before.apply(this, args);
    });
    replace(dns.promises, name, (before) => function lookup(this: unknown, ...args) {
      const refusal = judge(String(args[0]), undefined);
      return refusal ? Promise.reject(refusal) : before.apply(this, args);
    });
  }
  syncBuiltinESMExports();
  return () => {
    for (const each of undo.splice(0)) each();
    syncBuiltinESMExports();
  };
}

/** Where a call of `net.Socket.connect` leads; undefined for a socket of the file system. Node's own modules give their arguments as one list. */
function targetOf(args: readonly unknown[]): { readonly host: string; readonly port: number } | undefined {
  const [first, second] = Array.isArray(args[0]) ? args[0] as unknown[] : args;
  if (typeof first === 'object' && first !== null) {
    const { path, host, port } = first as { path?: unknown; host?: unknown; port?: unknown };
    return typeof path === 'string' && path !== '' && port === undefined ? undefined : { host: String(host || 'localhost'), port: Number(port) };
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return undefined;
  return { host: typeof second === 'string' ? second : 'localhost', port: Number(first) };
}

function fail(args: readonly unknown[], error: Error, otherwise: Callback): void {
  const callback = args.findLast((each) => typeof each === 'function') as Callback | undefined;
  if (callback) process.nextTick(callback, error);
  else otherwise(error);
}
