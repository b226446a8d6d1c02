import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { newSshKey } from '../../lib/ssh-key.ts';
import { commitFiles, openRepository, provePush } from '../../gitops/repository.ts';
import { knownHostsLine, parseRemote } from '../../gitops/remote.ts';
import type { Command } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { canaries, spoken, startGitWorld, type GitWorld } from './support.ts';

const ADDRESS = '127.100.3.2';
let world: GitWorld;
before(async () => { world = await startGitWorld(ADDRESS); });
after(async () => { await world.close(); });

const open = (cluster: Cluster = world.cluster, gitKey: string = world.credentials.gitKey) => openRepository(world.host, cluster, { ...world.credentials, gitKey });
const withGitops = (change: Partial<NonNullable<Cluster['gitops']>>): Cluster => ({ ...world.cluster, gitops: { ...world.cluster.gitops!, ...change } });
const fails = (promise: Promise<unknown>, code: string, text: RegExp): Promise<void> => assert.rejects(promise, (error: { code: string; message: string; hint: string }) => {
  assert.equal(error.code, code, error.message);
  assert.match(error.message, text);
  assert.ok(error.hint);
  for (const secret of canaries(world)) assert.ok(!error.message.includes(secret));
  return true;
});

async function remoteHead(): Promise<string> {
  return (await world.host.run({ program: 'git', args: ['rev-parse', 'main'], cwd: world.bare })).stdout.trim();
}

test('a clone stands at the branch’s newest commit, looks at once may overlap, and the next look follows', async () => {
  const [one, two] = await Promise.all([open(), open()]);
  assert.equal(one.revision, await remoteHead());
  assert.deepEqual([two.folder, two.revision], [one.folder, one.revision]);
  assert.ok(existsSync(join(one.folder, 'clusters/gandalf/apps.yaml')));
  const { repository, committed } = await commitFiles(world.host, one, 'Add a file', [{ path: 'x/y.txt', content: 'hello\n' }]);
  assert.equal(committed, true);
  assert.equal(repository.revision, await remoteHead());
  assert.equal((await open()).revision, repository.revision);
});

test('equal files make no commit and no push', async () => {
  const before = world.git.pushes.length;
  const repository = await open();
  const again = await commitFiles(world.host, repository, 'Again', [{ path: 'x/y.txt', content: 'hello\n' }]);
  assert.deepEqual([again.committed, again.repository.revision], [false, repository.revision]);
  assert.equal(world.git.pushes.length, before);
});

test('a push overtaken by another is made again on top of it', async () => {
  const repository = await open();
  const git = (...args: string[]) => world.host.run({ program: 'git', args: ['-c', 'user.name=o', '-c', 'user.email=o@o', ...args], cwd: world.cluster.repository });
  let overtaken = 0;
  const racing = { ...world.host, run: async (command: Command) => {
    if (command.args[0] === 'push' && overtaken++ === 0) {
      await git('pull', '--quiet', world.bare, 'main');
      await git('commit', '--quiet', '--allow-empty', '--message', 'theirs');
      await git('push', '--quiet', world.bare, 'main');
    }
    return world.host.run(command);
  } };
  const made = await commitFiles(racing, repository, 'Ours', [{ path: 'x/z.txt', content: 'ours\n' }]);
  assert.equal(overtaken, 2);
  const log = (await world.host.run({ program: 'git', args: ['log', '--format=%s', '-2', 'main'], cwd: world.bare })).stdout.split('\n');
  assert.deepEqual(log.slice(0, 2), ['Ours', 'theirs']);
  assert.equal(made.repository.revision, await remoteHead());
});

test('a refused push is told with the remote’s words, and leaves nothing behind', async () => {
  const head = await remoteHead();
  const repository = await open();
  await world.git.fail('refuse-push');
  await fails(commitFiles(world.host, repository, 'No', [{ path: 'no.txt', content: 'no\n' }]), 'E_GIT_PUSH_REFUSED', /not allowed to push to this protected branch/);
  await world.git.fail(undefined);
  assert.equal(await remoteHead(), head);
  const after = await open();
  assert.equal(after.revision, head);
  assert.ok(!existsSync(join(after.folder, 'no.txt')));
});

test('each way in which the git host is wrong has its code', async () => {
  const stranger = newSshKey();
  await fails(open(world.cluster, stranger.private), 'E_GIT_AUTH', /refuses the git key/);
  await fails(open(withGitops({ hostKey: stranger.public.split(' ').slice(0, 2).join(' ') })), 'E_GIT_HOST_KEY', /another key/);
  await fails(open(withGitops({ branch: 'absent' })), 'E_GIT_NO_BRANCH', /no branch absent/);
  await fails(open(withGitops({ url: `ssh://git@${ADDRESS}:2222/absent.git` })), 'E_GIT_NO_REPOSITORY', /no such repository/);
  await fails(open(world.cluster, 'not a key'), 'E_GIT_KEY', /not an unencrypted private key/);
  await fails(open(withGitops({ url: 'https://example.org/x.git' })), 'E_GIT_URL', /ssh:\/\//);
  await world.git.fail('refuse');
  await fails(open(), 'E_GIT_UNREACHABLE', /refused/);
  await world.git.fail('hang');
  await fails(open(), 'E_GIT_UNREACHABLE', /timed out/);
  await world.git.fail(undefined);
  await open();
});

test('a key that may only read is found out by a push that sends nothing', async () => {
  const [before, pushes] = [await remoteHead(), world.git.pushes.length];
  await provePush(world.host, await open());
  await world.git.fail('read-only');
  await fails(open().then((repository) => provePush(world.host, repository)), 'E_GIT_PUSH_REFUSED', /marked as read only/);
  await world.git.fail(undefined);
  assert.deepEqual([await remoteHead(), world.git.pushes.length], [before, pushes]);
});

test('the git key is in no file, no argument, no event', async () => {
  await open();
  const text = spoken(world);
  for (const secret of canaries(world)) assert.ok(!text.includes(secret));
  const lines = world.credentials.gitKey.split('\n').slice(1, -2);
  for (const name of readdirSync(world.host.scratch, { recursive: true, encoding: 'utf8' })) {
    const path = join(world.host.scratch, name);
    if (!statSync(path).isFile()) continue;
    const content = readFileSync(path, 'latin1');
    for (const line of lines) assert.ok(!content.includes(line), name);
  }
  assert.deepEqual(readdirSync(world.host.scratch).filter((name) => name.startsWith('agent-')), []);
});

test('known_hosts lines are as OpenSSH looks them up', () => {
  assert.equal(knownHostsLine({ url: 'ssh://git@h:22/a.git', hostKey: 'ssh-ed25519 AAAA comment' }), 'h ssh-ed25519 AAAA');
  assert.equal(knownHostsLine({ url: 'ssh://git@h:2222/a.git', hostKey: 'ssh-ed25519 AAAA' }), '[h]:2222 ssh-ed25519 AAAA');
  assert.deepEqual(parseRemote('ssh://git@h/a/b.git'), { user: 'git', host: 'h', port: 22, path: '/a/b.git' });
});
