import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bringBack, isInBundle } from '../../gitops/git-return.ts';
import { bundleRepository } from '../../gitops/bundle.ts';
import { openRepository } from '../../gitops/repository.ts';
import { shownHostKey } from '../../lib/ssh-host-key.ts';
import { startGitWorld, type GitWorld } from './support.ts';

// The git host is lost, and another stands there, empty: what is left is a backup's bundle and the owner's clone.

const ADDRESS = '127.103.61.2';
let world: GitWorld;
let bundle: string;
let kept: string;

before(async () => {
  world = await startGitWorld(ADDRESS);
  bundle = join(world.host.scratch, 'kept.bundle');
  kept = await bundleRepository(world.host, world.cluster, world.credentials, bundle);
});
after(() => world.close());

const own = (...args: string[]): string => execFileSync('git', ['-c', 'user.name=o', '-c', 'user.email=o@localhost', '-C', world.cluster.repository, ...args], { encoding: 'utf8' }).trim();
const here = () => ({ ...world.cluster, gitops: { ...world.cluster.gitops!, hostKey: world.git.hostKey } });
const head = async (): Promise<string> => (await openRepository(world.host, here(), world.credentials)).revision;

test('the key that a server shows is told, without a login', async () => {
  const { host } = world;
  const shown = await shownHostKey({ host: ADDRESS, port: 2222, types: ['ssh-ed25519'], signal: host.signal });
  assert.deepEqual([shown.line, shown.fingerprint], [world.git.hostKey.split(' ').slice(0, 2).join(' '), world.git.fingerprint]);
  await assert.rejects(shownHostKey({ host: ADDRESS, port: 2223, types: ['ssh-ed25519'], signal: host.signal }), { code: 'E_SSH_UNREACHABLE' });
});

test('a repository that its owner has not made again is told as such; into an empty one goes the bundle', async () => {
  await world.git.lose();
  await assert.rejects(bringBack(world.host, here(), world.credentials, bundle, true), { code: 'E_GIT_NO_REPOSITORY' });
  await world.git.create('homelab.git', 'main');
  assert.deepEqual(await bringBack(world.host, here(), world.credentials, bundle, false), { revision: kept, from: 'the archive' });
  await assert.rejects(head(), { code: 'E_GIT_NO_BRANCH' }, 'a look pushes nothing');
  await bringBack(world.host, here(), world.credentials, bundle, true);
  assert.equal(await head(), kept);
});

test('a clone that is ahead is taken; a git host with commits of its own is left as it is', async () => {
  own('commit', '--quiet', '--allow-empty', '-m', 'after the backup');
  const ahead = own('rev-parse', 'HEAD');
  assert.deepEqual(await bringBack(world.host, here(), world.credentials, bundle, true), { revision: ahead, from: 'your clone' });
  assert.equal(await head(), ahead);
  own('reset', '--quiet', '--hard', kept);
  own('commit', '--quiet', '--allow-empty', '-m', 'another line');
  await assert.rejects(bringBack(world.host, here(), world.credentials, bundle, true), { code: 'E_GIT_APART' });
  assert.equal(await head(), ahead, 'nothing was forced');
  assert.deepEqual([await isInBundle(world.host, bundle, kept), await isInBundle(world.host, bundle, ahead)], [true, false]);
});
