import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownLink } from '../link.ts';

/** How to reach a TLS server of the lab: whom to trust, and a client certificate or a bearer token to show. All PEM. */
export type Access = {
  /** `https://address:port`, without a path. */
  readonly url: string;
  readonly ca: string;
  readonly crt?: string;
  readonly key?: string;
  /** The token, or what gives the newest one. */
  readonly token?: string | (() => string);
};

/** One call. `timeoutMs` (10 s unless told) bounds the time without a byte; 0 is for watches, which end by `signal`. */
export type Call = {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

/** A client of one server: connections are kept and shared; close() drops them all, and no call goes out any more. */
export type SecureClient = {
  readonly access: Access;
  /** The answer's stream. Rejects on connection failures and time-outs only; the status is the caller's to judge. */
  open(call: Call): Promise<IncomingMessage>;
  close(): void;
};

/** Makes a client over HTTP/1.1 and TLS with the access's own CA (nothing else is trusted). On a machine whose link is cut every call fails. */
export function createSecureClient(access: Access): SecureClient {
  const { hostname, port } = new URL(access.url);
  let closed = false;
  const link = ownLink();
  const agent = new Agent({
    keepAlive: true,
    ca: access.ca,
    ...(access.crt === undefined ? {} : { cert: access.crt }),
    ...(access.key === undefined ? {} : { key: access.key }),
  });
  const unfollow = link?.follow((cut) => { if (cut) agent.destroy(); });
  const open = (call: Call): Promise<IncomingMessage> => new Promise((resolve, reject) => {
    if (closed) throw new Error(`the client of ${access.url} is closed`);
    if (link?.isCut) throw new Error(`connect EHOSTUNREACH ${hostname}:${port}`);
    const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
    const outgoing = request({
      agent, hostname, port, method: call.method, path: call.path,
      ...(call.signal === undefined ? {} : { signal: call.signal }),
      headers: {
        accept: 'application/json',
        ...(access.token === undefined ? {} : { authorization: `Bearer ${typeof access.token === 'string' ? access.token : access.token()}` }),
        ...(body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json', 'content-length': body.length }),
      },
    }, resolve);
    outgoing.setTimeout(call.timeoutMs ?? 10_000, () => outgoing.destroy(new Error(`no answer from ${access.url} in time`)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
  return { access, open, close: () => { closed = true; unfollow?.(); agent.destroy(); } };
}

/** The whole body of an answer as text. */
export async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** The lines of an endless answer, as they come. */
export async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of answer) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield rest.subarray(0, end).toString('utf8');
      rest = rest.subarray(end + 1);
    }
  }
  if (rest.length > 0) yield rest.toString('utf8');
}

/** Sleeps, or returns early (without an error) when the signal fires; tells whether to go on. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => {});
  return !signal.aborted;
}
