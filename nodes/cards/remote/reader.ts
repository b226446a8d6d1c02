import { FirstlightError } from '../../../lib/errors.ts';
import type { Host } from '../../../lib/host.ts';
import { connectSsh, type Ssh, type SshOptions } from '../../../lib/ssh.ts';
import type { CardReader } from '../../cluster.ts';
import type { Desk } from '../desk.ts';
import { openRemoteDesk, type RemoteDesk } from './desk.ts';
import { notLoggedIn } from './reader-errors.ts';

/** After this long without a word from us the far side ends by itself; we give up after 30 s without one from there. */
const SILENCE_MS = 60_000;
const KEEPALIVE_MS = 10_000;

/**
 * Works at a card reader's machine and lets go of it, however the work ends. Logs in with the keys of the owner's SSH agent,
 * where one runs, else with the private key that `key` gives. Nothing but the pinned host is spoken to.
 * Event: `card.reader` {reader}. Throws `E_READER_LOGIN`, `E_SSH_…`, what `startAgent` throws, the abort, what the work throws.
 */
export async function withReader<T>(host: Host, reader: CardReader, key: () => Promise<string | undefined>, work: (desk: Desk) => Promise<T>): Promise<T> {
  const name = `${reader.user}@${reader.host}${reader.port === 22 ? '' : `:${reader.port}`}`;
  const ssh = await logIn(host, reader, name, key);
  let desk: RemoteDesk | undefined;
  const close = (): void => {
    desk?.close();
    ssh.close();
  };
  host.signal.addEventListener('abort', close, { once: true });
  try {
    desk = await openRemoteDesk(ssh, { name, silenceMs: SILENCE_MS, signal: host.signal });
    host.signal.throwIfAborted();
    host.emit({ code: 'card.reader', data: { reader: name } });
    return await work(desk);
  } finally {
    host.signal.removeEventListener('abort', close);
    close();
  }
}

/** Each kind of key has a connection of its own: the first may have used up the server's patience. */
async function logIn(host: Host, reader: CardReader, name: string, key: () => Promise<string | undefined>): Promise<Ssh> {
  const connect = (login: Pick<SshOptions, 'agent' | 'privateKey'>): Promise<Ssh> => connectSsh({
    host: reader.host, port: reader.port, user: reader.user, hostKey: reader.hostKey, signal: host.signal, keepaliveMs: KEEPALIVE_MS, ...login,
  });
  const tried: string[] = [];
  let refused: unknown;
  const attempt = async (what: string, login: Pick<SshOptions, 'agent' | 'privateKey'>): Promise<Ssh | undefined> => {
    try {
      return await connect(login);
    } catch (error) {
      // Servers hang up after a few keys they don't know (OpenSSH: six), which an agent may well hold.
      const given = error instanceof FirstlightError && (error.code === 'E_SSH_AUTH' || (login.agent !== undefined && error.code === 'E_SSH_CLOSED'));
      if (!given) throw error;
      tried.push(what);
      refused = error;
      return undefined;
    }
  };
  const byAgent = host.sshAgent === undefined ? undefined : await attempt('the SSH agent', { agent: host.sshAgent });
  if (byAgent) return byAgent;
  const privateKey = await key();
  if (privateKey !== undefined) host.mask.add(privateKey);
  const byKey = privateKey === undefined ? undefined : await attempt('credentials.sops.yaml', { privateKey });
  if (byKey) return byKey;
  throw notLoggedIn(name, tried, refused);
}
