import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { parse } from 'yaml';
import { startNas } from '../../../lab/nas/nas.ts';
import { makeKeys } from '../../../lab/world/keys.ts';
import { copyState, keysOfState, layLuns, type WorldState } from '../../../lab/world/state.ts';
import { newSshKey } from '../../../lib/ssh-key.ts';
import { testHost } from '../../support/host.ts';

const host = testHost();
const root = mkdtempSync(join(tmpdir(), 'firstlight-state-'));
after(() => {
  host.remove();
  rmSync(root, { recursive: true, force: true });
});

const state = (more: Partial<WorldState> = {}): WorldState => ({ folder: join(root, 'kept'), path: 'machines/tiny', identityFile: '', credentials: {}, luns: [], ...more });

test('the NAS begins with the LUNs of the backup: their uuids, no target, the canary of their claim', async () => {
  const options = { address: '127.119.7.5', dsmPort: 5000, iscsiPort: 3260, https: false, account: { user: 'firstlight', password: 'a-password' }, volume: { path: '/volume1', bytes: 8e12 }, folder: join(root, 'nas') };
  const uuid = '0e1f2a3b-5e6f-4a7b-8c9d-0e1f2a3b4c5d';
  await layLuns(options, [{ name: 'data', uuid, bytes: 1 << 20, claim: 'apps/data', description: 'firstlight: cluster tiny' }, { name: 'other', uuid: uuid.replace('0e', '1e'), bytes: 1 << 20, description: '' }], 'tiny');
  const nas = await startNas(options);
  try {
    assert.deepEqual(nas.luns().map(({ name, mapped, bytes }) => [name, mapped, bytes]), [['data', false, 1 << 20], ['other', false, 1 << 20]]);
    assert.equal(nas.luns()[0]!.uuid, uuid);
  } finally {
    await nas.close();
  }
  const block = readFileSync(join(options.folder, `${uuid}.img`)).subarray(0, 512).toString();
  assert.deepEqual(JSON.parse(block.slice(0, block.indexOf('\0'))), { canary: 1, cluster: 'tiny', claim: 'apps/data', count: 1, node: 'the backup', initiator: '' });
});

test('the repository is the backup’s with its history, its folder as it was kept, and pins of real machines are out', async () => {
  const [repository, kept, bundle] = ['repository', 'kept', 'repository.bundle'].map((name) => join(root, name)) as [string, string, string];
  const git = (...args: string[]) => host.run({ program: 'git', args, cwd: repository, env: { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@example.com', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@example.com' } });
  for (const folder of [repository, kept]) mkdirSync(folder);
  await git('init', '--quiet', '--initial-branch=main', '.');
  mkdirSync(join(repository, 'machines', 'tiny'), { recursive: true });
  writeFileSync(join(repository, 'machines', 'tiny', 'cluster.yaml'), 'older: true\n');
  await git('add', '--all');
  await git('commit', '--quiet', '--message', 'One');
  await git('bundle', 'create', '--quiet', bundle, 'HEAD', 'main');
  writeFileSync(join(kept, 'cluster.yaml'), 'as: it was\n');
  writeFileSync(join(kept, 'firstlight.lock.yaml'), 'schematic: a\nimages: { b: {} }\nnas: { certificate: c }\netcd: { node: d }\ncards: { e: f }\nrebuild: { node: g }\nbackup: { signer: h }\nflux: v2.9.5\n');
  const folder = await copyState(host, state({ bundle }), 'main', join(root, 'world'));
  assert.equal(folder, join(root, 'world', 'machines', 'tiny'));
  assert.equal(readFileSync(join(folder, 'cluster.yaml'), 'utf8'), 'as: it was\n');
  assert.deepEqual(parse(readFileSync(join(folder, 'firstlight.lock.yaml'), 'utf8')), { schematic: 'a', backup: { signer: 'h' }, flux: 'v2.9.5' });
  assert.match((await host.run({ program: 'git', args: ['log', '--oneline'], cwd: folder })).stdout, / One$/m);
});

test('the world takes the cluster’s own keys and passwords; host keys are made', async () => {
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  const other = await identityToRecipient(await generateX25519Identity());
  const recipients = [{ name: 'tiny', role: 'cluster' as const, key: recipient }, { name: 'laptop', role: 'owner' as const, key: other }];
  const gitKey = newSshKey();
  const made = await makeKeys(recipients, host.mask);
  const keys = await keysOfState(made, state({ credentials: { nasPassword: 'of-the-nas', gitKey: gitKey.private, clusterIdentity: identity } }), recipients);
  assert.deepEqual(keys.age, [{ role: 'cluster', recipient, identity }, { role: 'owner', recipient: other, identity: '' }]);
  assert.equal(keys.git.line, gitKey.public.split(' ').slice(0, 2).join(' '));
  assert.deepEqual([keys.nasPassword, keys.switchPassword, keys.gitHost], ['of-the-nas', made.switchPassword, made.gitHost]);
});
