import ssh2 from 'ssh2';
import { problem, type FirstlightError } from './errors.ts';
import { fingerprint } from './ssh.ts';

/** The host key that a server shows: `line` as in known_hosts without the host (`ssh-ed25519 AAAA…`), `fingerprint` as OpenSSH writes it. */
export type ShownKey = { readonly line: string; readonly fingerprint: string };

/**
 * Asks a server for its host key and hangs up before any login, as ssh-keyscan does; nothing is sent. `types` are the key types that may
 * be shown, the wished one first. Throws `E_SSH_UNREACHABLE`, `E_ABORTED`.
 */
export async function shownHostKey({ host, port, types, signal, timeoutMs = 10_000 }: { readonly host: string; readonly port: number; readonly types: readonly string[]; readonly signal: AbortSignal; readonly timeoutMs?: number }): Promise<ShownKey> {
  if (signal.aborted) throw aborted(host, port);
  const client = new ssh2.Client();
  let onAbort = (): void => {};
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<ShownKey>((resolve, reject) => {
      const fail = (why: string): void => reject(problem('E_SSH_UNREACHABLE', `${host}:${port} did not show its host key: ${why}`, 'See that it is up, and its address and port in cluster.yaml.'));
      onAbort = () => reject(aborted(host, port));
      signal.addEventListener('abort', onAbort, { once: true });
      timer = setTimeout(() => fail(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
      client.on('error', (error) => fail(error.message)).on('close', () => fail('it hung up'));
      client.connect({
        host, port, username: 'nobody', readyTimeout: 0, algorithms: { serverHostKey: [...types] as ssh2.ServerHostKeyAlgorithm[] },
        hostVerifier: (key: Buffer) => {
          const type = key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1');
          resolve({ line: `${type} ${key.toString('base64')}`, fingerprint: fingerprint(key) });
          return false;
        },
      });
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    client.destroy();
  }
}

function aborted(host: string, port: number): FirstlightError {
  return problem('E_ABORTED', `interrupted while asking ${host}:${port} for its key`, 'Run the same command again to go on.');
}
