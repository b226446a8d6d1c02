import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import ssh2, { type ParsedKey } from 'ssh2';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';

/** SSH_AGENTC_REQUEST_IDENTITIES and SSH_AGENTC_SIGN_REQUEST; all else is answered SSH_AGENT_FAILURE, as the draft allows. */
const KNOWN_REQUESTS: ReadonlySet<number> = new Set([11, 13]);
const FAILURE = Buffer.from([0, 0, 0, 1, 5]);
const LONGEST_MESSAGE = 256 * 1024;

/** Longest path of a unix socket that Linux and macOS both take. */
const LONGEST_SOCKET = 103;

/**
 * Lends a private key to the programs that `work` runs, as an SSH agent on a unix socket in the scratch folder (the draft
 * draft-miller-ssh-agent, as OpenSSH and Go's ssh speak it): the key itself stays in this process, in no file, no argument
 * and no environment. The socket is gone when `work` ends. Throws `E_GIT_KEY` for a key that cannot be read.
 */
export async function withKeyAgent<T>(host: Pick<Host, 'scratch' | 'mask'>, privateKey: string, work: (socket: string) => Promise<T>): Promise<T> {
  host.mask.add(privateKey);
  const key = readPrivateKey(privateKey);
  const path = join(host.scratch, `agent-${randomBytes(4).toString('hex')}`);
  if (Buffer.byteLength(path) > LONGEST_SOCKET) {
    throw problem('E_SCRATCH', `the scratch folder's path is too long for a socket (${host.scratch})`, 'Set TMPDIR or XDG_RUNTIME_DIR to a folder with a shorter path.');
  }
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    answer(socket, key);
  }).listen(path);
  await once(server, 'listening');
  try {
    return await work(path);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await rm(path, { force: true });
  }
}

/** The public half of a private key, `ssh-ed25519 AAAA…`. Throws `E_GIT_KEY`. */
export function publicHalf(privateKey: string): string {
  const key = readPrivateKey(privateKey);
  return `${key.type} ${key.getPublicSSH().toString('base64')}`;
}

function answer(socket: Socket, key: ParsedKey): void {
  const protocol = new ssh2.AgentProtocol(false);
  protocol.on('error', () => socket.destroy());
  protocol.on('identities', (request) => protocol.getIdentitiesReply(request, [key]));
  protocol.on('sign', (request, wanted, data, options) => {
    if (!wanted.getPublicSSH().equals(key.getPublicSSH())) return void protocol.failureReply(request);
    const signature = key.sign(data, options.hash);
    if (signature instanceof Error) protocol.failureReply(request);
    else protocol.signReply(request, signature);
  });
  protocol.pipe(socket);
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 4 + rest.readUInt32BE(0)) {
      const message = rest.subarray(0, 4 + rest.readUInt32BE(0));
      rest = rest.subarray(message.length);
      // OpenSSH first asks for the extension session-bind, on which the library's parser loses its place.
      if (KNOWN_REQUESTS.has(message[4] ?? 0)) protocol.write(message);
      else socket.write(FAILURE);
    }
    if (rest.length > LONGEST_MESSAGE) socket.destroy();
  });
  socket.once('end', () => protocol.end());
}

function readPrivateKey(privateKey: string): ParsedKey {
  const key = ssh2.utils.parseKey(`${privateKey.trim()}\n`);
  const found = Array.isArray(key) ? key[0] : key;
  if (found === undefined || found instanceof Error || !found.isPrivateKey()) {
    throw problem('E_GIT_KEY', 'gitKey in the credentials is not an unencrypted private key in OpenSSH or PEM format',
      'Make a key for Flux alone with `ssh-keygen -t ed25519 -N ""`, give its public half access to the repository, and put the private half in with `sops edit`.');
  }
  return found;
}
