import { X509Certificate } from 'node:crypto';
import { connect, type ClientHttp2Session } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { ownLink } from '../../link.ts';
import { decodeStatusMessage, frame, messagesOf } from './frames.ts';
import { GrpcError, status } from './status.ts';

/** Whom a client trusts and what it shows; PEM. Without `ca` any certificate is accepted. */
export type ClientTls = { readonly ca?: string; readonly crt?: string; readonly key?: string };

/** A gRPC connection to one server. Calls on a connection that failed are `Unavailable`, in Go's words. */
export type GrpcClient = {
  call(method: string, requests: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, metadata?: Readonly<Record<string, string>>, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  close(): void;
};

/** Connects to `address:port` at the first call. */
export function connectGrpc(address: string, port: number, tls: ClientTls): GrpcClient {
  const link = ownLink();
  let session: Promise<ClientHttp2Session> | undefined;
  let failure: Error | undefined;
  const open = (): Promise<ClientHttp2Session> => {
    if (session) return session;
    failure = undefined;
    if (link?.isCut) return Promise.reject(Object.assign(new Error('no route to host'), { code: 'EHOSTUNREACH' }));
    const opening = secureSocket(address, port, tls).then((socket) => {
      const made = connect(`https://${address}:${port}`, { createConnection: () => socket });
      made.on('error', (error: Error) => { failure = error; });
      made.on('close', () => { if (session === opening) session = undefined; });
      return made;
    });
    opening.catch((error: Error) => {
      failure = error;
      if (session === opening) session = undefined;
    });
    session = opening;
    return opening;
  };
  async function* call(method: string, requests: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, metadata: Readonly<Record<string, string>> = {}, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const opened = await open().catch((error: Error) => { throw unavailable(address, port, error); });
    const stream = opened.request({
      ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers', 'user-agent': 'firstlight', ...metadata,
    });
    let ended: { code: number; message: string } | undefined;
    const note = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] === undefined) return;
      ended = { code: Number(headers['grpc-status']), message: decodeStatusMessage(String(headers['grpc-message'] ?? '')) };
    };
    stream.on('response', note);
    stream.on('trailers', note);
    const cancel = (): void => stream.close(8);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const send = sendAll(stream, requests);
      send.catch(() => {});
      for await (const message of messagesOf(stream as AsyncIterable<Buffer>)) yield message;
      await send;
    } catch (error) {
      if (!ended) throw unavailable(address, port, failure ?? (error as Error));
    } finally {
      signal?.removeEventListener('abort', cancel);
      stream.close();
    }
    if (!ended) throw unavailable(address, port, failure ?? new Error('stream closed'));
    if (ended.code !== 0) throw new GrpcError(ended.code, ended.message);
  }
  return { call, close: () => void session?.then((made) => made.destroy(), () => {}) };
}

/** A finished TLS handshake with a server whose certificate chains to `tls.ca`; rejects with a `code` that `unavailable` knows. */
function secureSocket(address: string, port: number, tls: ClientTls): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: address, port, ALPNProtocols: ['h2'], rejectUnauthorized: false,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }), ...(tls.crt === undefined ? {} : { cert: tls.crt, key: tls.key }),
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      socket.off('error', reject);
      if (tls.ca === undefined || socket.authorized) return resolve(socket);
      // An issuer of the same name is tried, and found wrong; any other is just unknown.
      const issuer = socket.getPeerX509Certificate()?.issuer;
      const sameName = issuer !== undefined && issuer === new X509Certificate(tls.ca).subject;
      socket.destroy();
      return reject(Object.assign(new Error('certificate refused'), { code: sameName ? 'CERT_SIGNATURE_FAILURE' : 'UNABLE_TO_VERIFY' }));
    });
  });
}

async function sendAll(stream: { write(chunk: Buffer, done: (error?: Error | null) => void): boolean; end(): void }, requests: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
  for await (const message of requests) {
    await new Promise<void>((resolve, reject) => void stream.write(frame(message), (error) => (error ? reject(error) : resolve())));
  }
  stream.end();
}

/** What Go's grpc library says of a connection that failed. */
function unavailable(address: string, port: number, error: Error): GrpcError {
  const code = (error as { code?: string }).code ?? '';
  const dial = { ECONNREFUSED: 'connection refused', EHOSTUNREACH: 'no route to host', ENETUNREACH: 'network is unreachable', ETIMEDOUT: 'connection timed out' }[code];
  if (dial) return status('Unavailable', `connection error: desc = "transport: Error while dialing: dial tcp ${address}:${port}: connect: ${dial}"`);
  if (/SELF_SIGNED|UNABLE_TO|CERT_SIGNATURE|DEPTH_ZERO/.test(code)) {
    const why = code === 'CERT_SIGNATURE_FAILURE'
      ? ' (possibly because of \\"x509: Ed25519 verification failure\\" while trying to verify candidate authority certificate \\"talos\\")' : '';
    return status('Unavailable', `connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority${why}"`);
  }
  return status('Unavailable', `connection error: desc = "error reading from server: ${error.message}"`);
}
