import { createSecureServer, type Http2SecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { ownLink } from '../../link.ts';
import { encodeStatusMessage, frame, messagesOf } from './frames.ts';
import { asGrpcError } from './status.ts';

/** One gRPC call as it came in. `metadata` keeps repeated fields apart; `roles` are the organisations of the client's certificate. */
export type Call = {
  readonly method: string;
  readonly metadata: ReadonlyMap<string, readonly string[]>;
  readonly roles: readonly string[];
  readonly authority: string;
  readonly requests: AsyncIterable<Uint8Array>;
  /** Fires when the client goes away or the server is closed. */
  readonly signal: AbortSignal;
};

/** Answers a call with its messages; a thrown GrpcError becomes the call's status. */
export type Handler = (call: Call) => AsyncIterable<Uint8Array>;

/** A running gRPC server. */
export type GrpcServer = {
  /** Stops listening at once and answers nothing more; what is open hangs, as it does when Talos leaves maintenance mode. */
  fallSilent(): void;
  /** Shows another certificate from the next connection on. */
  renew(tls: ServerTls): void;
  /** Stops listening and cuts every connection; resolves when the port is free. */
  close(): Promise<void>;
};

/** PEM key and certificate; with `clientCa` every client must show a certificate that chains to it. TLS 1.2 or newer. */
export type ServerTls = { readonly key: string; readonly crt: string; readonly clientCa?: string };

/** Listens on `address:port`; not while the machine's link is cut. Rejects with the system's error (EADDRINUSE, …). */
export async function serveGrpc(address: string, port: number, tls: ServerTls, handler: Handler): Promise<GrpcServer> {
  const server = createSecureServer({
    key: tls.key, cert: tls.crt, ALPNProtocols: ['h2'], minVersion: 'TLSv1.2',
    ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
  });
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.on('error', () => {});
  const silence = { fallen: false };
  const link = ownLink();
  server.on('stream', (stream: ServerHttp2Stream, _headers: unknown, _flags: number, raw: readonly string[]) => {
    // What a call starts runs on this machine, wherever the call came from.
    const work = (): Promise<void> => answer(stream, raw, handler, silence);
    void (link ? link.run(work) : work());
  });
  await listen(server, address, port);
  const shut = (): Promise<void> => new Promise((resolve) => {
    server.close(() => resolve());
    for (const session of sessions) session.destroy();
    for (const socket of sockets) socket.destroy();
  });
  let closed = false;
  const unfollow = link?.follow(async (cut) => {
    if (cut) await shut();
    else if (!closed && !silence.fallen) await listen(server, address, port).catch(() => {});
  });
  return {
    renew: (next) => server.setSecureContext({ key: next.key, cert: next.crt, ...(next.clientCa === undefined ? {} : { ca: next.clientCa }) }),
    fallSilent: () => {
      silence.fallen = true;
      unfollow?.();
      server.close();
    },
    close: () => {
      closed = true;
      unfollow?.();
      return shut();
    },
  };
}

function listen(server: Http2SecureServer, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function metadataOf(raw: readonly string[]): Map<string, string[]> {
  const metadata = new Map<string, string[]>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    metadata.set(name, [...(metadata.get(name) ?? []), raw[i + 1]!]);
  }
  return metadata;
}

function rolesOf(stream: ServerHttp2Stream): readonly string[] {
  const organisation = (stream.session?.socket as TLSSocket | undefined)?.getPeerCertificate?.()?.subject?.O as string | readonly string[] | undefined;
  return organisation === undefined ? [] : typeof organisation === 'string' ? [organisation] : organisation;
}

async function answer(stream: ServerHttp2Stream, raw: readonly string[], handler: Handler, silence: { readonly fallen: boolean }): Promise<void> {
  const metadata = metadataOf(raw);
  const gone = new AbortController();
  stream.on('close', () => gone.abort());
  stream.on('error', () => {});
  const call: Call = {
    method: metadata.get(':path')?.[0] ?? '', metadata, roles: rolesOf(stream), authority: metadata.get(':authority')?.[0] ?? '',
    requests: messagesOf(stream), signal: gone.signal,
  };
  const trailers = { 'grpc-status': '0', 'grpc-message': '' };
  const open = (): void => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  };
  try {
    for await (const message of handler(call)) {
      if (stream.destroyed || silence.fallen) return;
      if (!stream.headersSent) open();
      if (!stream.write(frame(message))) await drained(stream);
    }
  } catch (error) {
    const failure = asGrpcError(error);
    trailers['grpc-status'] = String(failure.code);
    trailers['grpc-message'] = encodeStatusMessage(failure.message);
  }
  if (stream.destroyed) return;
  if (stream.headersSent) stream.end();
  else stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true });
}

function drained(stream: ServerHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}
