import type { KeyPair } from '../kubernetes/types.ts';
import { createRequest, issue, SERVER_AUTH, signRequest, withSans } from './tls.ts';
import { connectGrpc } from './wire/client.ts';
import { pack, unpack } from './wire/messages.ts';
import { serveGrpc, type GrpcServer } from './wire/server.ts';
import { status } from './wire/status.ts';

const PORT = 50001;
const HOURS = 24;
const METHOD = '/securityapi.SecurityService/Certificate';

/** Serves trustd: signs certificates for workers that show the cluster's token. `sans` are further names of its own. Rejects with the system's error when the port is taken. */
export async function serveTrustd(address: string, hostname: string, ca: KeyPair, token: string, sans: readonly string[] = []): Promise<GrpcServer> {
  const own = await issue(ca, { commonName: hostname, ...withSans([hostname], [address], sans), usages: [SERVER_AUTH], hours: HOURS });
  return serveGrpc(address, PORT, own, async function* (call) {
    if (call.method !== METHOD) throw status('Unimplemented', `unknown method ${call.method}`);
    if (token === '' || call.metadata.get('token')?.[0] !== token) throw status('Unauthenticated', 'invalid token');
    const requests = call.requests[Symbol.asyncIterator]();
    const first = await requests.next();
    const csr = first.done === true ? '' : Buffer.from((unpack('CertificateRequest', first.value)['csr'] ?? new Uint8Array()) as Uint8Array).toString('utf8');
    const crt = await signRequest(ca, csr, HOURS).catch((error: Error) => {
      throw status('InvalidArgument', `failed to parse CSR: ${error.message}`);
    });
    yield pack('CertificateResponse', { ca: Buffer.from(ca.crt), crt: Buffer.from(crt) });
  });
}

/** Asks the trustd at `host` for an apid certificate, as a worker does. Throws GrpcError (wrong token, nobody there, foreign CA). */
export async function requestCertificate(host: string, caCrt: string, token: string, hostname: string, address: string, signal: AbortSignal): Promise<KeyPair> {
  const request = await createRequest({ commonName: hostname, dnsNames: [hostname], addresses: [address], usages: [SERVER_AUTH], hours: HOURS });
  const client = connectGrpc(host, PORT, { ca: caCrt });
  try {
    for await (const reply of client.call(METHOD, [pack('CertificateRequest', { csr: Buffer.from(request.csr) })], { token }, signal)) {
      return { crt: Buffer.from(unpack('CertificateResponse', reply)['crt'] as Uint8Array).toString('utf8'), key: request.key };
    }
  } finally {
    client.close();
  }
  throw status('Unavailable', 'trustd gave no certificate');
}
