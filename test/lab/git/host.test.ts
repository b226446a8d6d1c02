import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { newSshKey } from '../../../lib/ssh-key.ts';
import { readGitCommand } from '../../../lab/git/command.ts';
import { startGitHost, type LabGitHost } from '../../../lab/git/host.ts';

const ADDRESS = '127.100.7.1';
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'fl-git-'));
const root = join(folder, 'srv');
const keys = { owner: newSshKey(), stranger: newSshKey(), host: newSshKey() };
let host: LabGitHost;

function environment(key: 'owner' | 'stranger' = 'owner', hostKey = host.hostKey): NodeJS.ProcessEnv {
  const file = join(folder, key);
  if (!existsSync(file)) writeFileSync(file, keys[key].private, { mode: 0o600 });
  const known = join(folder, `known-${hostKey.slice(-8).replace(/\W/g, '_')}`);
  writeFileSync(known, `[${ADDRESS}]:${host.port} ${hostKey}\n`);
  return {
    PATH: process.env['PATH'], HOME: folder, GIT_CONFIG_GLOBAL: '/dev/null', LC_ALL: 'C',
    GIT_AUTHOR_NAME: 't', GIT_AUTHOR_EMAIL: 't@t', GIT_COMMITTER_NAME: 't', GIT_COMMITTER_EMAIL: 't@t',
    GIT_SSH_COMMAND: `ssh -F /dev/null -i ${file} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=${known} -o ConnectTimeout=2`,
  };
}

const git = (args: string[], cwd: string, env = environment()) => run('git', args, { cwd, env, timeout: 30_000 });
const url = (name = 'homelab.git'): string => `ssh://git@${ADDRESS}:${host.port}/${name}`;

before(async () => {
  mkdirSync(join(root, 'homelab.git'), { recursive: true });
  await run('git', ['init', '--bare', '-q', '--initial-branch=main', join(root, 'homelab.git')]);
  await run('git', ['init', '--bare', '-q', join(folder, 'outside.git')]);
  host = await startGitHost({ address: ADDRESS, port: 0, user: 'git', repositories: root, authorizedKeys: [keys.owner.public], hostKey: keys.host.private });
});

after(async () => {
  await host.close();
  rmSync(folder, { recursive: true, force: true });
});

test('the real git pushes and clones through OpenSSH, and every moved reference is in the log', async () => {
  const work = join(folder, 'work');
  mkdirSync(work);
  await git(['init', '-q', '--initial-branch=main', '.'], work);
  writeFileSync(join(work, 'a.txt'), 'one\n');
  await git(['add', '.'], work);
  await git(['commit', '-qm', 'one'], work);
  await git(['push', '-q', url(), 'main'], work);
  const head = (await git(['rev-parse', 'HEAD'], work)).stdout.trim();
  assert.deepEqual(host.pushes, [{ repository: 'homelab.git', ref: 'refs/heads/main', after: head }]);
  await git(['clone', '-q', url('homelab'), 'copy'], folder);
  assert.equal((await git(['rev-parse', 'HEAD'], join(folder, 'copy'))).stdout.trim(), head);
  await git(['push', '-q', url(), 'main'], work);
  assert.equal(host.pushes.length, 1, 'a push that moves nothing is none');
});

test('a protected branch refuses the push as a real host does, and moves nothing', async () => {
  const copy = join(folder, 'copy');
  writeFileSync(join(copy, 'b.txt'), 'two\n');
  await git(['add', '.'], copy);
  await git(['commit', '-qm', 'two'], copy);
  await host.fail('refuse-push');
  await assert.rejects(git(['push', url(), 'main'], copy), (error: { stderr: string }) => {
    assert.match(error.stderr, /remote: .*not allowed to push to this protected branch/);
    assert.match(error.stderr, /\[remote rejected\] main -> main \(pre-receive hook declined\)/);
    return true;
  });
  assert.equal(host.pushes.length, 1);
  await host.fail(undefined);
  await git(['push', '-q', url(), 'main'], copy);
  assert.equal(host.pushes.length, 2);
});

test('a stranger’s key, another user and another host key get nothing', async () => {
  await assert.rejects(git(['ls-remote', url()], folder, environment('stranger')), /Permission denied \(publickey\)/);
  await assert.rejects(git(['ls-remote', url().replace('git@', 'root@')], folder), /Permission denied/);
  const other = keys.stranger.public.split(' ').slice(0, 2).join(' ');
  await assert.rejects(git(['ls-remote', url()], folder, environment('owner', other)), /Host key verification failed/);
});

test('no path leads out of the folder, and nothing but git is served', async () => {
  symlinkSync(join(folder, 'outside.git'), join(root, 'link.git'));
  for (const name of ['../outside.git', 'x/../../outside.git', '.protected-branch', 'link.git', 'absent.git', '']) {
    const request = readGitCommand(`git-upload-pack '/${name}'`, root);
    assert.equal(request.kind, 'refused', name);
  }
  await assert.rejects(git(['ls-remote', url('../outside.git')], folder), /Repository not found/);
  for (const command of ['ls', 'git-upload-archive \'/homelab.git\'', 'git-upload-pack \'/homelab.git\'; id']) {
    assert.equal(readGitCommand(command, root).kind, 'refused', command);
  }
  assert.equal(readGitCommand('git-receive-pack \'/homelab.git\'', root).kind, 'service');
});

test('it can refuse connections and be silent, and heals', async () => {
  await host.fail('refuse');
  await assert.rejects(git(['ls-remote', url()], folder), /Connection refused/);
  await host.fail('hang');
  await assert.rejects(git(['ls-remote', url()], folder), /timed out/);
  const silent = connect(host.port, ADDRESS);
  await once(silent, 'connect');
  await host.fail(undefined);
  await once(silent, 'close');
  await git(['ls-remote', url()], folder);
});

test('a host that is lost comes back empty, with another key; a repository made on it takes a clone in', async () => {
  const clone = join(folder, 'clone');
  await git(['clone', '-q', url(), clone], folder);
  const before = host.hostKey;
  await host.lose();
  assert.notEqual(host.hostKey, before);
  await assert.rejects(git(['ls-remote', url()], folder, environment('owner', before)), /HOST IDENTIFICATION HAS CHANGED|Host key verification failed/);
  await assert.rejects(git(['ls-remote', url()], folder, environment()), /not.*found|does not appear|repository/i);
  await host.create('homelab.git', 'main');
  await git(['push', '-q', url(), 'HEAD:main'], clone);
  assert.match((await git(['ls-remote', url()], folder)).stdout, /refs\/heads\/main/);
});

test('closing it ends a git process that waits for its client', async () => {
  const other = await startGitHost({ address: ADDRESS, port: 0, user: 'git', repositories: root, authorizedKeys: [keys.owner.public], hostKey: keys.host.private });
  const client = new ssh2.Client();
  client.on('error', () => {});
  client.connect({ host: ADDRESS, port: other.port, username: 'git', privateKey: keys.owner.private });
  await once(client, 'ready');
  const channel = await new Promise<import('ssh2').ClientChannel>((resolve, reject) => client.exec('git-upload-pack \'/homelab.git\'', (error, made) => (error ? reject(error) : resolve(made))));
  await once(channel, 'data');
  const ended = once(client, 'close');
  await other.close();
  await ended;
});
