import { createHash } from 'node:crypto';
import ssh2, { type ClientChannel, type SFTPWrapper } from 'ssh2';
import { problem, type FirstlightError } from './errors.ts';
import { openOn, runOn, sftpOn, shellOn, type SshResult } from './ssh-exec.ts';

/** Where to connect and as whom; one of `password`, `privateKey` (OpenSSH or PEM format) and `agent` is needed. */
export type SshOptions = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly privateKey?: string;
  /** Path of an SSH agent's socket, whose keys are offered. */
  readonly agent?: string;
  /** OpenSSH's fingerprint of the host key, `SHA256:…`; there is no way to connect without one. */
  readonly hostKey: string;
  readonly signal: AbortSignal;
  /** Milliseconds for connection and login; 10,000 unless told. */
  readonly timeoutMs?: number;
  /** Asks for a sign of life that often, and gives the connection up after three that did not come; never unless told. */
  readonly keepaliveMs?: number;
};

/** An SSH connection. */
export type Ssh = {
  /** `user@host:port`, for errors. */
  readonly name: string;
  /** Runs a command (60,000 ms unless told). Throws `E_SSH_TIMEOUT`, `E_SSH_CLOSED`, `E_ABORTED`; any exit code is an answer. */
  exec(command: string, options?: { readonly timeoutMs?: number; readonly stdin?: string | Uint8Array }): Promise<SshResult>;
  /** Starts a command and gives its channel, which is the caller's to end; it closes with the connection. Throws `E_SSH_CLOSED`. */
  open(command: string): Promise<ClientChannel>;
  /** Opens a shell on a terminal that is wide and high enough for any answer; it ends with the connection. Throws `E_SSH_CLOSED`. */
  shell(): Promise<ClientChannel>;
  /** Opens SFTP, which ends with the connection. Throws `E_SSH_CLOSED`, `E_SSH_NO_SFTP` where the server has none. */
  sftp(): Promise<SFTPWrapper>;
  /** Ends the connection, within a second where the other side is silent; safe to call twice. */
  close(): void;
};

/** How long the other side may take to close. */
const CLOSING_MS = 1_000;

/** OpenSSH's fingerprint (`SHA256:…`) of a public key in its wire form. */
export function fingerprint(key: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/**
 * Connects and logs in, only to a host with the pinned key; the secret stays in this process. Throws `E_SSH_REFUSED`,
 * `E_SSH_UNREACHABLE`, `E_SSH_HOST_KEY`, `E_SSH_AUTH`, `E_SSH_TIMEOUT`, `E_SSH_CLOSED`, `E_SSH_KEY` (private key unreadable), `E_ABORTED`.
 */
export async function connectSsh(options: SshOptions): Promise<Ssh> {
  const { host, port, user, password, privateKey, agent, signal } = options;
  const timeoutMs = options.timeoutMs ?? 10_000;
  const name = `${user}@${host}:${port}`;
  if (signal.aborted) throw aborted(name);
  const client = new ssh2.Client();
  const state: { shown?: string } = {};
  await new Promise<void>((resolve, reject) => {
    const done = (error?: FirstlightError): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (error === undefined) return resolve();
      client.destroy();
      reject(error);
    };
    const onAbort = (): void => done(aborted(name));
    const timer = setTimeout(() => done(problem('E_SSH_TIMEOUT', `${name} did not finish the SSH login in ${timeoutMs} ms`,
      'Look whether the device is busy or hangs; power-cycle it when it stays so.')), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    // Small packets go both ways: waiting to fill them costs 40 ms each time.
    client.on('connect', () => client.setNoDelay(true));
    client.on('ready', () => done());
    client.on('error', (error) => done(explained(error, name, options.hostKey, state.shown)));
    client.on('close', () => done(problem('E_SSH_CLOSED', `${name} closed the connection before the login was done`, 'Try again; look into the device\'s log when it stays so.')));
    // Many switches know only keyboard-interactive, where the one question is the password.
    client.on('keyboard-interactive', (_name, _text, _language, prompts, answer) => answer(prompts.map(() => password ?? '')));
    try {
      client.connect({
        host, port, username: user,
        ...(password === undefined ? {} : { password, tryKeyboard: true }),
        ...(privateKey === undefined ? {} : { privateKey }),
        ...(agent === undefined ? {} : { agent }),
        readyTimeout: 0, keepaliveInterval: options.keepaliveMs ?? 0,
        hostVerifier: (key: Buffer) => {
          state.shown = fingerprint(key);
          return state.shown === options.hostKey;
        },
      });
    } catch {
      done(problem('E_SSH_KEY', `the private key for ${name} cannot be used`, 'It must be an unencrypted private key in OpenSSH or PEM format.'));
    }
  });
  let open = true;
  client.on('error', () => {}).once('close', () => { open = false; });
  return {
    name,
    exec: (command, given = {}) => runOn(client, name, command, { signal, timeoutMs: given.timeoutMs ?? 60_000, ...(given.stdin === undefined ? {} : { stdin: given.stdin }) }),
    open: (command) => openOn(client, name, command),
    shell: () => shellOn(client, name),
    sftp: () => sftpOn(client, name),
    close: () => {
      if (!open) return;
      open = false;
      const timer = setTimeout(() => client.destroy(), CLOSING_MS);
      client.once('close', () => clearTimeout(timer));
      client.end();
    },
  };
}

function aborted(name: string): FirstlightError {
  return problem('E_ABORTED', `interrupted while connecting to ${name}`, 'Run the same command again to go on.');
}

function explained(error: Error & { level?: string; code?: unknown }, name: string, pinned: string, shown: string | undefined): FirstlightError {
  if (shown !== undefined && shown !== pinned) {
    return problem('E_SSH_HOST_KEY', `${name} showed another host key than the one pinned`,
      `Expected ${pinned}, got ${shown}. Only when you know why it changed (device replaced or reset), write the new one into cluster.yaml.`);
  }
  if (error.level === 'client-authentication' || error.level === 'agent') {
    return problem('E_SSH_AUTH', `${name} refused the login`, 'Check the user in cluster.yaml and the password or key in credentials.sops.yaml.', { cause: error });
  }
  if (error.code === 'ECONNREFUSED') {
    return problem('E_SSH_REFUSED', `${name} refuses connections`, 'Switch SSH on at the device, and check address and port in cluster.yaml.', { cause: error });
  }
  if (['EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTDOWN', 'EADDRNOTAVAIL'].includes(String(error.code))) {
    return problem('E_SSH_UNREACHABLE', `${name} cannot be reached (${String(error.code)})`, 'Check that the device is on and in the network, and its address in cluster.yaml.', { cause: error });
  }
  return problem('E_SSH_CLOSED', `the connection to ${name} broke: ${error.message}`, 'Try again; look into the device\'s log when it stays so.', { cause: error });
}
