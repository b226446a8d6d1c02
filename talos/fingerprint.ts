import { connect, type PeerCertificate } from 'node:tls';
import { createHash, X509Certificate } from 'node:crypto';
import type { Host } from '../lib/host.ts';
import { eitherSignal } from '../lib/signals.ts';

/** The port of the Talos API (siderolabs/talos:pkg/machinery/constants/constants.go, ApidPort). */
export const TALOS_PORT = 50000;

/** The subject of the certificate a machine shows while it waits for its first config. */
const MAINTENANCE_NAME = 'maintenance-service.talos.dev';

/** Who answers on a machine's Talos port: the certificate's name and its fingerprint as `--cert-fingerprint` takes it, or why nobody. */
export type Greeting =
  | { readonly kind: 'talos'; readonly maintenance: boolean; readonly name: string; readonly fingerprint: string }
  | { readonly kind: 'silent'; readonly seen: string };

/**
 * Looks at the certificate on a machine's Talos port without trusting it and without sending anything. Never throws but for
 * an abort. The fingerprint is the base64 SHA-256 of the public key (siderolabs/crypto:x509/fingerprint.go); a machine in
 * maintenance makes a new key at each boot.
 */
export async function greet(host: Pick<Host, 'signal'>, address: string, timeoutMs = 5_000): Promise<Greeting> {
  host.signal.throwIfAborted();
  const deadline = AbortSignal.timeout(timeoutMs);
  const stop = eitherSignal(host.signal, deadline);
  const socket = connect({ host: address, port: TALOS_PORT, rejectUnauthorized: false, ALPNProtocols: ['h2'], minVersion: 'TLSv1.2' });
  try {
    return await new Promise<Greeting>((resolve) => {
      const silent = (seen: string): void => resolve({ kind: 'silent', seen });
      stop.addEventListener('abort', () => silent(`no answer on port ${TALOS_PORT} within ${Math.round(timeoutMs / 1000)} s`), { once: true });
      socket.once('error', (error: NodeJS.ErrnoException) => silent(inWords(error)));
      socket.once('close', () => silent('the connection was closed before a certificate was shown'));
      socket.once('secureConnect', () => {
        const shown = socket.getPeerCertificate(true);
        resolve(shown.raw ? read(shown) : { kind: 'silent', seen: 'no certificate was shown' });
      });
    });
  } finally {
    socket.destroy();
    host.signal.throwIfAborted();
  }
}

/** The fingerprint of a certificate (DER), as talosctl's `--cert-fingerprint` takes it. */
export function fingerprintOf(der: Uint8Array): string {
  const key = new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64');
}

function read(shown: PeerCertificate): Greeting {
  const name = String(shown.subject?.CN ?? '');
  return { kind: 'talos', maintenance: name === MAINTENANCE_NAME, name, fingerprint: fingerprintOf(shown.raw) };
}

function inWords(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED': return `port ${TALOS_PORT} is closed`;
    case 'EHOSTUNREACH': case 'EHOSTDOWN': case 'ENETUNREACH': return 'no route to it';
    case 'ECONNRESET': return 'the connection was reset';
    case 'ETIMEDOUT': return 'no answer';
    default: return error.code ?? 'no TLS spoken there';
  }
}
