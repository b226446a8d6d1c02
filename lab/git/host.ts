import { execFile, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type Session } from 'ssh2';
import { fingerprint } from '../../lib/ssh.ts';
import { newSshKey } from '../../lib/ssh-key.ts';
import { openSshDoor, type SshDoor } from '../ssh-door.ts';
import { readGitCommand } from './command.ts';
import { gitEnvironment, movedReferences, references, serveChannel, writeProtection, type Push } from './service.ts';

/** How the git host misbehaves: every push refused as by a protected branch, every key taken for reading only, closed port, or silence on new connections. */
export type GitHostFault = 'refuse-push' | 'read-only' | 'refuse' | 'hang';

/** GitHub's words to a deploy key that may not write, as soon as it asks for git-receive-pack. */
const READ_ONLY = 'ERROR: The key you are authenticating with has been marked as read only.';

/** A git host of the lab: SSH with public keys only. */
export type GitHostOptions = {
  readonly address: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly user: string;
  /** Folder of the bare repositories that are served. */
  readonly repositories: string;
  /** OpenSSH public lines (`ssh-ed25519 AAAA…`) that may read and write. */
  readonly authorizedKeys: readonly string[];
  /** Private key, OpenSSH or PEM. */
  readonly hostKey: string;
};

/** The running git host. */
export type LabGitHost = {
  /** Public half of the host key, `ssh-ed25519 AAAA…`, as in a known_hosts line without the host. */
  readonly hostKey: string;
  /** The same as `SHA256:…`. */
  readonly fingerprint: string;
  readonly port: number;
  /** Every reference moved by a push since the start, oldest first. */
  readonly pushes: readonly Push[];
  /** The machine is lost with all its repositories; another stands at its address, empty, with a host key of its own. */
  lose(): Promise<void>;
  /** Makes an empty bare repository (`homelab.git`, or a path with folders), as its owner does on a new host. */
  create(repository: string, branch: string): Promise<void>;
  /** Takes effect before it resolves; undefined heals and drops the connections that hung. */
  fail(mode: GitHostFault | undefined): Promise<void>;
  /** Ends every connection and every git process. */
  close(): Promise<void>;
};

/** Starts the git host: an SSH server before the real git. Rejects where the address cannot be bound or a key cannot be read. */
export async function startGitHost(options: GitHostOptions): Promise<LabGitHost> {
  let hostKey = readKey(options.hostKey);
  const allowed = options.authorizedKeys.map(readKey);
  let protection = await writeProtection(options.repositories);
  const env = gitEnvironment(options.repositories);
  const pushes: Push[] = [];
  const children = new Set<ChildProcess>();
  let fault: GitHostFault | undefined;

  const serve = (connection: Connection): void => {
    connection.on('authentication', (request) => authenticate(request, options.user, allowed));
    connection.on('session', (accept) => handle(accept()));
  };
  const handle = (session: Session): void => {
    let protocol: string | undefined;
    session.on('env', (accept, reject, info) => {
      if (info.key !== 'GIT_PROTOCOL' || !/^version=[012]$/.test(info.val)) return void reject?.();
      protocol = info.val;
      accept?.();
    });
    session.on('exec', (accept, _reject, info) => {
      const channel = accept();
      const asked = readGitCommand(info.command, options.repositories);
      const request = fault === 'read-only' && asked.kind === 'service' && asked.service === 'receive-pack' ? { kind: 'refused' as const, message: READ_ONLY } : asked;
      if (request.kind === 'refused') {
        channel.stderr.write(`${request.message}\n`);
        channel.exit(1);
        channel.end();
        return;
      }
      const { service, path, repository } = request;
      const before = service === 'receive-pack' ? references(path, env) : undefined;
      const child = serveChannel(channel, service, path, {
        env: protocol === undefined ? env : { ...env, GIT_PROTOCOL: protocol },
        ...(service === 'receive-pack' && fault === 'refuse-push' ? { hooks: protection } : {}),
        ended: async () => {
          children.delete(child);
          if (before !== undefined) pushes.push(...movedReferences(repository, await before, await references(path, env)));
        },
      });
      children.add(child);
    });
  };
  const openDoor = (port: number, key: string): Promise<SshDoor> => openSshDoor({ address: options.address, port, hostKey: key, ident: 'OpenSSH_9.2' }, serve);
  let door = await openDoor(options.port, options.hostKey);
  const shut = async (): Promise<void> => {
    const closed = door.shut();
    for (const child of children) child.kill('SIGKILL');
    await closed;
  };
  const end = async (): Promise<void> => {
    const ending = [...children].map((child) => (child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined));
    await shut();
    await Promise.all(ending);
  };
  return {
    get hostKey() { return publicLine(hostKey); },
    get fingerprint() { return fingerprint(hostKey.getPublicSSH()); },
    port: door.port,
    pushes,
    async lose() {
      await end();
      await rm(options.repositories, { recursive: true, force: true });
      protection = await writeProtection(options.repositories);
      const made = newSshKey().private;
      hostKey = readKey(made);
      door = await openDoor(door.port, made);
    },
    async create(repository, branch) {
      const path = join(options.repositories, repository);
      await mkdir(path, { recursive: true });
      await promisify(execFile)('git', ['init', '--quiet', '--bare', `--initial-branch=${branch}`, '.'], { cwd: path, env });
    },
    fail: async (mode) => {
      fault = mode;
      door.hang(mode === 'hang');
      await (mode === 'refuse' ? shut() : door.open());
    },
    close: end,
  };
}

function authenticate(request: AuthContext, user: string, allowed: readonly ParsedKey[]): void {
  if (request.method !== 'publickey' || request.username !== user) return void request.reject(['publickey']);
  const key = allowed.find((each) => each.getPublicSSH().equals(request.key.data));
  if (key === undefined) return void request.reject(['publickey']);
  const proven = request.signature === undefined || (request.blob !== undefined && key.verify(request.blob, request.signature, request.hashAlgo));
  if (proven === true) request.accept();
  else request.reject(['publickey']);
}

function readKey(text: string): ParsedKey {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw new TypeError(`the git host cannot read a key: ${key.message}`);
  return Array.isArray(key) ? key[0]! : key;
}

function publicLine(key: ParsedKey): string {
  return `${key.type} ${key.getPublicSSH().toString('base64')}`;
}
