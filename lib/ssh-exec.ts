import type { Client, ClientChannel, SFTPWrapper } from 'ssh2';
import { problem, type FirstlightError } from './errors.ts';

/** What a command on the other side answered; `exitCode` is 128 + signal number for a killed one, -1 where the server told none. */
export type SshResult = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

type Options = { readonly signal: AbortSignal; readonly timeoutMs: number; readonly stdin?: string | Uint8Array };

const MOST_BYTES = 16 * 2 ** 20;
const SIGNALS: Readonly<Record<string, number>> = { HUP: 1, INT: 2, QUIT: 3, ABRT: 6, KILL: 9, SEGV: 11, PIPE: 13, TERM: 15 };

/** Runs one command over a connection that is open. The command's text may be in errors: it must hold no secret. Throws as `Ssh.exec`. */
export function runOn(client: Client, name: string, command: string, options: Options): Promise<SshResult> {
  return new Promise((resolve, reject) => {
    let channel: ClientChannel | undefined;
    let settled = false;
    const finish = (end: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
      client.off('close', onClose);
      end();
    };
    const fail = (error: FirstlightError): void => finish(() => {
      channel?.destroy();
      reject(error);
    });
    const onAbort = (): void => fail(problem('E_ABORTED', `interrupted during "${command}" on ${name}`, 'Run the same command again to go on.'));
    const onClose = (): void => fail(problem('E_SSH_CLOSED', `${name} closed the connection during "${command}"`, 'Try again; look into the device\'s log when it stays so.'));
    const timer = setTimeout(() => fail(problem('E_SSH_TIMEOUT', `"${command}" on ${name} gave no end in ${options.timeoutMs} ms`,
      'Look whether the device is busy or hangs; power-cycle it when it stays so.')), options.timeoutMs);
    if (options.signal.aborted) return onAbort();
    options.signal.addEventListener('abort', onAbort, { once: true });
    client.once('close', onClose);
    const onChannel = (error: Error | undefined, opened: ClientChannel): void => {
      if (error) return fail(problem('E_SSH_CLOSED', `${name} did not take "${command}": ${error.message}`, 'Check that the user may run commands over SSH.', { cause: error }));
      channel = opened;
      collect(opened, (exitCode, stdout, stderr) => finish(() => resolve({ exitCode, stdout, stderr })), () => fail(
        problem('E_SSH_ANSWER', `"${command}" on ${name} answered more than ${MOST_BYTES} bytes`, 'This is not the answer of a healthy device: look at it by hand.')));
      opened.end(options.stdin ?? '');
    };
    try {
      client.exec(command, onChannel);
    } catch {
      onClose();
    }
  });
}

/** Starts a command and gives its channel. The command's text may be in errors: it must hold no secret. Throws `E_SSH_CLOSED`. */
export function openOn(client: Client, name: string, command: string): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(problem('E_SSH_CLOSED', `${name} closed the connection`, 'Look whether the device is on and in the network, then run again.'));
    client.once('close', onClose);
    try {
      client.exec(command, (error: Error | undefined, channel: ClientChannel) => {
        client.off('close', onClose);
        if (error) reject(problem('E_SSH_CLOSED', `${name} did not take a command: ${error.message}`, 'Check that the user may run commands over SSH.', { cause: error }));
        else resolve(channel);
      });
    } catch {
      onClose();
    }
  });
}

/** Opens a shell on a terminal of 500 columns and 1,000 lines over a connection that is open. Throws `E_SSH_CLOSED`. */
export function shellOn(client: Client, name: string): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(problem('E_SSH_CLOSED', `${name} closed the connection`, 'Look whether the device is on and in the network, then run again.'));
    client.once('close', onClose);
    try {
      client.shell({ term: 'vt100', cols: 500, rows: 1_000 }, (error: Error | undefined, channel: ClientChannel) => {
        client.off('close', onClose);
        if (error) reject(problem('E_SSH_CLOSED', `${name} gives no command line: ${error.message}`, 'Check that the user may log in to the device\'s command line over SSH.', { cause: error }));
        else resolve(channel);
      });
    } catch {
      onClose();
    }
  });
}

/** Opens SFTP over a connection that is open. Throws `E_SSH_CLOSED`, `E_SSH_NO_SFTP`. */
export function sftpOn(client: Client, name: string): Promise<SFTPWrapper> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(problem('E_SSH_CLOSED', `${name} closed the connection`, 'Look whether the device is on and in the network, then run again.'));
    client.once('close', onClose);
    try {
      client.sftp((error: Error | undefined, sftp: SFTPWrapper) => {
        client.off('close', onClose);
        if (error) reject(problem('E_SSH_NO_SFTP', `${name} has no SFTP: ${error.message}`, 'Switch SFTP on at the device, for that user too (DSM: File Services, FTP, SFTP).', { cause: error }));
        else resolve(sftp);
      });
    } catch {
      onClose();
    }
  });
}

function collect(channel: ClientChannel, end: (exitCode: number, stdout: string, stderr: string) => void, tooMuch: () => void): void {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let size = 0;
  let exitCode = -1;
  const keep = (list: Buffer[]) => (chunk: Buffer): void => {
    size += chunk.length;
    if (size > MOST_BYTES) return tooMuch();
    list.push(chunk);
  };
  channel.on('data', keep(out));
  channel.stderr.on('data', keep(err));
  channel.on('error', () => {});
  channel.on('exit', (code: number | null, signal?: string) => {
    exitCode = code ?? 128 + (SIGNALS[(signal ?? '').replace(/^SIG/, '')] ?? 0);
  });
  channel.on('close', () => end(exitCode, Buffer.concat(out).toString('utf8'), Buffer.concat(err).toString('utf8')));
}
