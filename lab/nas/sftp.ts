import { spawn } from 'node:child_process';
import ssh2, { type Connection, type ParsedKey } from 'ssh2';
import { fingerprint } from '../../lib/ssh.ts';
import { openSshDoor } from '../ssh-door.ts';
import { serveFiles, type SftpFault } from './sftp-session.ts';

/** A server of files over SFTP, as the NAS has one. `port` 0 takes a free one; `hostKey` is a private key, OpenSSH or PEM. */
export type SftpServerOptions = {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  /** OpenSSH public lines that may log in. */
  readonly authorizedKeys?: readonly string[];
  readonly hostKey: string;
  /** The folder that is served as `/`. */
  readonly root: string;
  /** A real sftp-server to run in place of the imitation; it serves the whole file system. */
  readonly program?: string;
};

/** The running server. */
export type LabSftp = {
  /** Of its host key, `SHA256:…`. */
  readonly fingerprint: string;
  readonly port: number;
  /** How often somebody logged in. */
  logins(): number;
  /** Takes effect before it resolves; undefined heals. 'refuse' closes the port, 'hang' answers no new connection. */
  fail(mode: SftpFault | 'refuse' | 'hang' | undefined): Promise<void>;
  close(): Promise<void>;
};

/** Starts the server. Rejects where the address cannot be bound or a key cannot be read. */
export async function startSftp(options: SftpServerOptions): Promise<LabSftp> {
  const allowed = (options.authorizedKeys ?? []).map(readKey);
  let fault: SftpFault | undefined;
  let logins = 0;
  const serve = (connection: Connection): void => {
    connection.on('authentication', (request) => {
      if (request.username !== options.user) return request.reject(['password', 'publickey']);
      if (request.method === 'password') return options.password !== undefined && request.password === options.password ? request.accept() : request.reject(['password', 'publickey']);
      if (request.method !== 'publickey') return request.reject(['password', 'publickey']);
      const key = allowed.find((one) => one.type === request.key.algo && one.getPublicSSH().equals(request.key.data));
      const good = key && (request.signature === undefined || (request.blob !== undefined && key.verify(request.blob, request.signature, request.hashAlgo) === true));
      return good ? request.accept() : request.reject(['password', 'publickey']);
    });
    connection.on('ready', () => { logins += 1; });
    connection.on('session', (accept) => {
      const session = accept();
      const { program } = options;
      if (program === undefined) return void session.on('sftp', (take) => serveFiles(take(), options.root, () => fault, () => connection.end()));
      session.on('subsystem', (take, _reject, { name }) => {
        if (name !== 'sftp') return;
        const channel = take();
        const child = spawn(program, ['-e'], { stdio: ['pipe', 'pipe', 'ignore'] });
        for (const stream of [child.stdin, child.stdout, channel]) stream.on('error', () => {});
        channel.pipe(child.stdin);
        child.stdout.pipe(channel);
        channel.once('close', () => child.kill());
      });
    });
  };
  const door = await openSshDoor({ address: options.address, port: options.port, hostKey: options.hostKey, ident: 'OpenSSH_8.2' }, serve);
  return {
    fingerprint: fingerprint(readKey(options.hostKey).getPublicSSH()),
    port: door.port,
    logins: () => logins,
    async fail(mode) {
      fault = mode === 'refuse' || mode === 'hang' ? undefined : mode;
      door.hang(mode === 'hang');
      await (mode === 'refuse' ? door.shut() : door.open());
    },
    close: () => door.shut(),
  };
}

function readKey(text: string): ParsedKey {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw key;
  return key as ParsedKey;
}
