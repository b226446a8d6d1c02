import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import { newSshKey } from '../../lib/ssh-key.ts';
import { connectSsh, fingerprint, type SshOptions } from '../../lib/ssh.ts';

const ADDRESS = '127.100.14.1';
const PASSWORD = 'correct horse';
const key = newSshKey();
const login = newSshKey();
const parsed = ssh2.utils.parseKey(key.private);
if (parsed instanceof Error) throw parsed;
const pin = fingerprint(parsed.getPublicSSH());
const connections = new Set<Connection>();
let keyboardOnly = false;

function run(command: string, channel: ServerChannel, connection: Connection): void {
  switch (command) {
    case 'greet':
      channel.write('out\n');
      channel.stderr.write('err\n');
      channel.exit(3);
      return void channel.end();
    case 'cat':
      channel.pipe(channel, { end: false });
      return void channel.on('end', () => {
        channel.exit(0);
        channel.end();
      });
    case 'killed':
      channel.exit('KILL');
      return void channel.end();
    case 'mute':
      return void channel.close();
    case 'cut':
      return void connection.end();
    default:
      return;
  }
}

const server = new ssh2.Server({ hostKeys: [key.private] }, (connection) => {
  connections.add(connection);
  connection.on('error', () => {}).on('close', () => connections.delete(connection));
  connection.on('authentication', (request) => {
    if (request.method === 'password' && !keyboardOnly && request.password === PASSWORD) return request.accept();
    if (request.method === 'publickey') {
      const offered = ssh2.utils.parseKey(login.public);
      if (!(offered instanceof Error) && offered.getPublicSSH().equals(request.key.data)) return request.accept();
    }
    if (request.method === 'keyboard-interactive' && keyboardOnly) {
      return request.prompt([{ prompt: 'Password: ', echo: false }], (answers) => (answers[0] === PASSWORD ? request.accept() : request.reject()));
    }
    request.reject(['password', 'publickey', 'keyboard-interactive']);
  });
  connection.on('session', (accept) => {
    accept().on('exec', (acceptExec, _reject, info) => run(info.command, acceptExec(), connection));
  });
});
let port = 0;

before(async () => {
  server.listen(0, ADDRESS);
  await once(server, 'listening');
  port = (server.address() as { port: number }).port;
});
after(() => {
  for (const connection of connections) connection.end();
  server.close();
});

function options(changes: Partial<SshOptions> = {}): SshOptions {
  return { host: ADDRESS, port, user: 'admin', password: PASSWORD, hostKey: pin, signal: new AbortController().signal, timeoutMs: 5_000, ...changes };
}

test('a command gives its exit code and both streams', async () => {
  const ssh = await connectSsh(options());
  assert.deepEqual(await ssh.exec('greet'), { exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
  assert.deepEqual(await ssh.exec('cat', { stdin: 'line\n' }), { exitCode: 0, stdout: 'line\n', stderr: '' });
  assert.equal((await ssh.exec('killed')).exitCode, 137);
  assert.equal((await ssh.exec('mute')).exitCode, -1);
  ssh.close();
  ssh.close();
});

test('a private key and keyboard-interactive also log in', async () => {
  const { password: _password, ...rest } = options();
  (await connectSsh({ ...rest, privateKey: login.private })).close();
  keyboardOnly = true;
  (await connectSsh(options())).close();
  keyboardOnly = false;
});

test('another host key is refused before anything secret is sent, and both fingerprints are told', async () => {
  const other = `SHA256:${'A'.repeat(43)}`;
  await assert.rejects(connectSsh(options({ hostKey: other })), (error: { code: string; hint: string }) => error.code === 'E_SSH_HOST_KEY' && error.hint.includes(other) && error.hint.includes(pin));
});

test('a wrong password is E_SSH_AUTH and stands nowhere in the error', async () => {
  await assert.rejects(connectSsh(options({ password: 'canary-4711' })), (error: Error & { code: string; hint: string }) => error.code === 'E_SSH_AUTH' && !JSON.stringify([error.message, error.hint, String(error.cause)]).includes('canary'));
});

test('a private key that cannot be read is E_SSH_KEY', async () => {
  const { password: _password, ...rest } = options();
  await assert.rejects(connectSsh({ ...rest, privateKey: 'no key' }), { code: 'E_SSH_KEY' });
});

test('a closed port is E_SSH_REFUSED, an unknown name E_SSH_UNREACHABLE', async () => {
  const closed = createServer().listen(0, '127.100.14.2');
  await once(closed, 'listening');
  const free = (closed.address() as { port: number }).port;
  closed.close();
  await once(closed, 'close');
  await assert.rejects(connectSsh(options({ host: '127.100.14.2', port: free })), { code: 'E_SSH_REFUSED' });
  await assert.rejects(connectSsh(options({ host: 'nobody.invalid', timeoutMs: 20_000 })), { code: 'E_SSH_UNREACHABLE' });
});

test('a silent host is E_SSH_TIMEOUT, one that hangs up E_SSH_CLOSED', async () => {
  const silent = createServer(() => {}).listen(0, '127.100.14.3');
  await once(silent, 'listening');
  await assert.rejects(connectSsh(options({ host: '127.100.14.3', port: (silent.address() as { port: number }).port, timeoutMs: 100 })), { code: 'E_SSH_TIMEOUT' });
  silent.close();
  const rude = createServer((socket) => socket.end('SSH-2.0-rude\r\n')).listen(0, '127.100.14.4');
  await once(rude, 'listening');
  await assert.rejects(connectSsh(options({ host: '127.100.14.4', port: (rude.address() as { port: number }).port })), { code: 'E_SSH_CLOSED' });
  rude.close();
});

test('a command that hangs, or whose connection is cut, ends with a coded error', async () => {
  const ssh = await connectSsh(options());
  await assert.rejects(ssh.exec('hang', { timeoutMs: 100 }), { code: 'E_SSH_TIMEOUT' });
  await assert.rejects(ssh.exec('cut'), { code: 'E_SSH_CLOSED' });
  await assert.rejects(ssh.exec('greet'), { code: 'E_SSH_CLOSED' });
  ssh.close();
});

test('a command that stays open gives its channel, which closes with the connection', async () => {
  const ssh = await connectSsh(options({ keepaliveMs: 1_000 }));
  const channel = await ssh.open('cat');
  channel.write('line\n');
  assert.equal(String((await once(channel, 'data'))[0]), 'line\n');
  const closed = once(channel, 'close');
  ssh.close();
  await closed;
  await assert.rejects(ssh.open('cat'), { code: 'E_SSH_CLOSED' });
});

test('an SSH agent that is not there is E_SSH_AUTH', async () => {
  const { password: _password, ...rest } = options();
  await assert.rejects(connectSsh({ ...rest, agent: '/nowhere/agent' }), { code: 'E_SSH_AUTH' });
});

test('an abort ends the login and a running command', async () => {
  const abort = new AbortController();
  const ssh = await connectSsh(options({ signal: abort.signal }));
  const running = ssh.exec('hang');
  abort.abort();
  await assert.rejects(running, { code: 'E_ABORTED' });
  await assert.rejects(connectSsh(options({ signal: abort.signal })), { code: 'E_ABORTED' });
  ssh.close();
});
