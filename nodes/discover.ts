import { connect } from 'node:net';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';

export { subnetAddresses } from './addresses.ts';

/** Where to look: addresses to try, the TCP port (50000 for Talos), milliseconds for each connection (1,000 unless told). */
export type Search = { readonly addresses: readonly string[]; readonly port: number; readonly timeoutMs?: number; readonly atOnce?: number };

/**
 * The addresses, in the order given, that accept a TCP connection; each is closed at once. At most 64 connections at a time
 * unless told. An address that refuses or is silent is left out; a fault of this machine (no route, no permission, no free
 * sockets) throws `E_DISCOVER`, since nothing could be said about the boards then. Throws `E_ABORTED`.
 */
export async function discover(host: Pick<Host, 'signal'>, search: Search): Promise<string[]> {
  const found = new Array<boolean>(search.addresses.length).fill(false);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < search.addresses.length; i = next++) {
      if (host.signal.aborted) throw problem('E_ABORTED', 'interrupted while looking for boards', 'Run the same command again to go on.');
      found[i] = await answers(search.addresses[i]!, search.port, search.timeoutMs ?? 1_000, host.signal);
    }
  };
  await Promise.all(Array.from({ length: Math.min(search.atOnce ?? 64, search.addresses.length) }, worker));
  return search.addresses.filter((_, i) => found[i]);
}

const OURS = new Set(['ENETUNREACH', 'EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EINVAL']);

function answers(address: string, port: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    const end = (settle: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      clearTimeout(timer);
      socket.destroy();
      settle();
    };
    const onAbort = (): void => end(() => resolve(false));
    const timer = setTimeout(() => end(() => resolve(false)), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => end(() => resolve(true)));
    socket.once('error', (error: NodeJS.ErrnoException) => end(() => {
      if (!OURS.has(error.code ?? '')) return resolve(false);
      reject(problem('E_DISCOVER', `cannot look for boards: connecting to ${address}:${port} failed here with ${error.code}`,
        'Check this computer\'s network: it must be in the boards\' subnet or have a route to it.', { cause: error }));
    }));
    socket.on('error', () => {});
  });
}
