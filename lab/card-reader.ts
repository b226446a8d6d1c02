import { spawn, type ChildProcess } from 'node:child_process';
import ssh2, { type Connection, type ParsedKey, type ServerChannel } from 'ssh2';
import { fingerprint } from '../lib/ssh.ts';
import { openSshDoor } from './ssh-door.ts';

/** How the machine misbehaves: closed port, or silence on new connections. */
export type CardReaderFault = 'refuse' | 'hang';

/** A machine with card readers: an SSH server that runs what it is told, as this process's user. */
export type CardReaderOptions = {
  readonly address: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly user: string;
  /** OpenSSH public lines (`ssh-ed25519 AAAA…`) that may log in; nothing else may. */
  readonly authorizedKeys: readonly string[];
  /** Private key, OpenSSH or PEM. */
  readonly hostKey: string;
  /** The whole environment of the commands. */
  readonly environment: Readonly<Record<string, string>>;
};

/** The running machine. */
export type LabCardReader = {
  /** Of its host key, `SHA256:…`. */
  readonly fingerprint: string;
  readonly port: number;
  /** Every command that was run, oldest first. */
  readonly commands: readonly string[];
  /** Commands that have not ended. */
  running(): number;
  /** Bytes that came in for commands since the start. */
  received(): number;
  /** Cuts every connection, as a pulled cable does; commands see the end of their input. New ones may come. */
  cut(): Promise<void>;
  /** Takes effect before it resolves; undefined heals. */
  fail(mode: CardReaderFault | undefined): Promise<void>;
  /** Ends every connection and every command. */
  close(): Promise<void>;
};

/** Starts the machine. Rejects where the address cannot be bound or a key cannot be read. */
export async function startCardReader(options: CardReaderOptions): Promise<LabCardReader> {
  const allowed = options.authorizedKeys.map(readKey);
  const children = new Set<ChildProcess>();
  const commands: string[] = [];
  let received = 0;
  const run = (command: string, channel: ServerChannel): void => {
    commands.push(command);
    // Like sshd: a lost connection closes the command's input and output, and nothing else happens to it.
    const child = spawn('/bin/sh', ['-c', command], { env: options.environment, stdio: ['pipe', 'pipe', 'pipe'] });
    children.add(child);
    for (const stream of [child.stdin, child.stdout, child.stderr, channel, channel.stderr]) stream.on('error', () => {});
    channel.on('data', (piece: Buffer) => { received += piece.length; });
    channel.pipe(child.stdin);
    child.stdout.pipe(channel, { end: false });
    child.stderr.pipe(channel.stderr, { end: false });
    channel.once('close', () => { for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy(); });
    child.once('exit', () => children.delete(child));
    child.once('close', (code, signal) => {
      if (channel.writableEnded || channel.destroyed) return;
      if (code === null) channel.exit((signal ?? 'SIGKILL').replace(/^SIG/, '') as 'KILL');
      else channel.exit(code);
      channel.end();
    });
  };
  const serve = (connection: Connection): void => {
    connection.on('authentication', (request) => {
      if (request.method !== 'publickey' || request.username !== options.user) return request.reject(['publickey']);
      const key = allowed.find((one) => one.type === request.key.algo && one.getPublicSSH().equals(request.key.data));
      const good = key && (request.signature === undefined || (request.blob !== undefined && key.verify(request.blob, request.signature, request.hashAlgo) === true));
      return good ? request.accept() : request.reject(['publickey']);
    });
    connection.on('session', (accept) => { accept().on('exec', (acceptExec, _reject, info) => run(info.command, acceptExec())); });
  };
  const door = await openSshDoor({ address: options.address, port: options.port, hostKey: options.hostKey, ident: 'OpenSSH_9.2p1' }, serve);
  return {
    fingerprint: fingerprint(readKey(options.hostKey).getPublicSSH()),
    port: door.port, commands,
    running: () => children.size,
    received: () => received,
    async cut() {
      await door.shut();
      await door.open();
    },
    async fail(mode) {
      door.hang(mode === 'hang');
      await (mode === 'refuse' ? door.shut() : door.open());
    },
    async close() {
      await door.shut();
      for (const child of children) child.kill('SIGKILL');
    },
  };
}

function readKey(text: string): ParsedKey {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw key;
  return key as ParsedKey;
}
