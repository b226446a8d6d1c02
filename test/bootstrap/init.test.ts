import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, test } from 'node:test';
import { planInit, runInit, type NewCluster } from '../../bootstrap/init.ts';
import { openCredentials } from '../../bootstrap/credentials.ts';
import { workTreeFaults } from '../../gitops/secrets/check.ts';
import { openHomelab } from '../../gitops/secrets/homelab.ts';
import { readIdentities } from '../../gitops/secrets/identity.ts';
import { opensAlone } from '../../gitops/secrets/opening.ts';
import { loadCluster } from '../../nodes/load.ts';
import { ageKey } from '../support/age.ts';
import { testHost, type TestHost } from '../support/host.ts';

const template = fileURLToPath(new URL('../../examples/homelab', import.meta.url));
const OWNER = { GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' };

let host: TestHost;
let owner: string;
beforeEach(async () => {
  host = testHost(OWNER);
  const key = await ageKey(host, 'laptop');
  owner = key.recipient;
  host.environment['SOPS_AGE_KEY_FILE'] = key.file;
});
afterEach(() => host.remove());

function wanted(name: string, prefix: string): NewCluster {
  return { root: join(host.scratch, 'homelab'), template, name, prefix, url: 'ssh://git@192.168.80.6:22/homelab.git', owner };
}

function git(root: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', env: { ...process.env, ...OWNER } });
}

test('an empty folder becomes a repository whose cluster is valid, with keys of its own; the paper opens its credentials', async () => {
  const plan = await planInit(host, wanted('frodo', '192.168.80'));
  assert.equal(existsSync(plan.root), false);
  const made = await runInit(host, plan);
  const cluster = await loadCluster(join(plan.root, 'machines/frodo'));
  assert.deepEqual([cluster.name, cluster.network.subnet, cluster.gitops?.url, cluster.gitops?.path], ['frodo', '192.168.80.0/24', 'ssh://git@192.168.80.6:22/homelab.git', 'clusters/frodo']);
  assert.equal(git(plan.root, 'status', '--porcelain'), '');
  assert.match(made.gitKey, /^ssh-ed25519 /);
});

test('nothing of the template’s cluster is left, nothing is in the clear', async () => {
  const plan = await planInit(host, wanted('frodo', '192.168.80'));
  await runInit(host, plan);
  for (const file of plan.files) assert.doesNotMatch(file.path + file.text, /gandalf|192\.168\.77|age1caf3f|age166l|age1lnu9/i, file.path);
  assert.deepEqual(await workTreeFaults(host, await openHomelab(host, plan.root)), []);
  const page = plan.offline?.page ?? '';
  assert.equal(statSync(page).mode & 0o777, 0o600);
  const line = /<p class="line">([^<]+)</.exec(readFileSync(page, 'utf8'))?.[1] ?? '';
  const [offline] = await readIdentities(line);
  const credentials = join(plan.root, 'machines/frodo/credentials.sops.yaml');
  for (const identity of [offline?.identity ?? '', plan.clusterIdentity]) assert.equal(await opensAlone(host, credentials, identity), true);
});

test('a second cluster adds only what is its own and changes no file; its key opens none of the first’s', async () => {
  const first = await planInit(host, wanted('frodo', '192.168.80'));
  await runInit(host, first);
  writeFileSync(join(first.root, 'apps/base/podinfo/service.yaml'), '# the owner’s own\n');
  git(first.root, 'commit', '--quiet', '--all', '--message', 'own');
  const second = await planInit(host, wanted('dev', '192.168.81'));
  assert.equal(second.offline, undefined);
  assert.match(second.rules ?? '', /machines\/\(dev\)/);
  for (const { path } of second.files) assert.ok(path.split('/').includes('dev'), path);
  await runInit(host, second);
  assert.doesNotMatch(git(first.root, 'status', '--porcelain'), /^ M/m);
  const homelab = await openHomelab(host, first.root);
  assert.deepEqual(homelab.clusters.map((cluster) => cluster.name), ['dev', 'frodo']);
  assert.deepEqual(await workTreeFaults(host, homelab), []);
  assert.equal(await opensAlone(host, join(first.root, 'machines/frodo/credentials.sops.yaml'), second.clusterIdentity), false);
});

test('in a repository of another layout nothing that is there is changed', async () => {
  const root = join(host.scratch, 'homelab');
  cpSync(template, root, { recursive: true, filter: (source) => !/machines|clusters/.test(source) || basename(source) === 'homelab' });
  git(root, 'init', '--quiet', '--initial-branch=main');
  git(root, 'add', '--all');
  git(root, 'commit', '--quiet', '--message', 'theirs');
  const plan = await planInit(host, wanted('frodo', '192.168.80'));
  const made = await runInit(host, plan);
  assert.equal(made.commit, undefined);
  assert.match(git(root, 'status', '--porcelain', '--untracked-files=all'), /^(\?\? .*\n)+$/);
});

test('a name that is none, a network that is not private, a cluster that is there, an unprinted page: refused with nothing written', async () => {
  for (const [name, prefix, code] of [['Frodo!', '192.168.80', 'E_INIT_NAME'], ['frodo', '8.8.8', 'E_INIT_NETWORK'], ['apps', '192.168.80', 'E_INIT_NAME'], ['secrets', '192.168.80', 'E_INIT_NAME'], ['frodo', '192.168', 'E_INIT_NETWORK'], ['frodo', '192.168.300', 'E_INIT_NETWORK']] as const) {
    await assert.rejects(planInit(host, wanted(name, prefix)), { code });
  }
  const plan = await planInit(host, wanted('frodo', '192.168.80'));
  writeFileSync(plan.offline?.page ?? '', 'the only copy of a key');
  await assert.rejects(runInit(host, plan), { code: 'E_ESCROW_PAGE' });
  assert.equal(existsSync(join(plan.root, 'machines')), false);
  const other = { ...wanted('sam', '192.168.82'), root: join(host.scratch, 'other') };
  await runInit(host, await planInit(host, other));
  await assert.rejects(planInit(host, other), { code: 'E_INIT_TAKEN' });
  await assert.rejects(planInit(host, { ...other, name: 'rosie' }), { code: 'E_INIT_NETWORK', message: /network of cluster sam/ });
});

test('the credentials it wrote are what up asks for, but for the passwords that only the owner knows', async () => {
  const plan = await planInit(host, wanted('frodo', '192.168.80'));
  await runInit(host, plan);
  await assert.rejects(openCredentials(host, await loadCluster(join(plan.root, 'machines/frodo'))), (error: { problems?: readonly Error[] }) => {
    assert.deepEqual(error.problems?.map((each) => each.message.split(' ')[0]), ['switchPassword', 'nasPassword']);
    return true;
  });
});
