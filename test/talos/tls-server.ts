import 'reflect-metadata';
import { createServer, type Server } from 'node:tls';
import { createServer as createTcp } from 'node:net';
import { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import * as x509 from '@peculiar/x509';

/** A certificate and key (PEM) with a common name, for an address, self-signed with Ed25519 as Talos makes them. */
export async function selfSigned(name: string, address = '127.77.2.1'): Promise<{ cert: string; key: string; der: Buffer }> {
  x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);
  const keys = await webcrypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`, keys: keys as never, signingAlgorithm: { name: 'Ed25519' },
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: address }])],
    notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000),
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', (keys as webcrypto.CryptoKeyPair).privateKey)).toString('base64');
  return { cert: made.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`, der: Buffer.from(made.rawData) };
}

/** A TLS server on the Talos port of a loopback address; `swap` changes its certificate for later connections. */
export async function talosPort(address: string, pair: { cert: string; key: string }): Promise<{ server: Server; close(): Promise<void>; swap(next: { cert: string; key: string }): void }> {
  const server = createServer({ ...pair, ALPNProtocols: ['h2'] }, (socket) => { socket.on('error', () => {}); });
  server.on('tlsClientError', () => {});
  server.listen(50000, address);
  await once(server, 'listening');
  const open = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => { open.add(socket); socket.on('close', () => open.delete(socket)); });
  return {
    server,
    swap: (next) => server.setSecureContext(next),
    close: async () => { for (const socket of open) socket.destroy(); server.close(); await once(server, 'close'); },
  };
}

/** A port that accepts and then says nothing. */
export async function mutePort(address: string): Promise<{ close(): Promise<void> }> {
  const open = new Set<{ destroy(): void }>();
  const server = createTcp((socket) => { open.add(socket); socket.on('error', () => {}); });
  server.listen(50000, address);
  await once(server, 'listening');
  return { close: async () => { for (const socket of open) socket.destroy(); server.close(); await once(server, 'close'); } };
}
