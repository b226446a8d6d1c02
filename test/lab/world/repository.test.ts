import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { copyHomelab, publish } from '../../../lab/world/repository.ts';
import type { Cluster } from '../../../nodes/cluster.ts';
import { testHost } from '../../support/host.ts';

test('a rehearsal copies the repository without its history and without what is the real cluster’s alone', async () => {
  const host = testHost();
  const repository = join(host.scratch, 'homelab');
  const folder = join(repository, 'machines', 'g');
  for (const name of ['machines/g/cluster.yaml', 'machines/g/patches/all.yaml', 'machines/g/secrets.sops.yaml', 'machines/g/credentials.sops.yaml',
    'machines/g/firstlight.lock.yaml', 'machines/g/runs/1/journal.jsonl', 'apps/base/secrets.sops.yaml', '.git/config', '.sops.yaml']) {
    mkdirSync(dirname(join(repository, name)), { recursive: true });
    writeFileSync(join(repository, name), 'x: 1\n');
  }
  const copy = join(host.scratch, 'copy');
  assert.equal(await copyHomelab({ repository, folder } as Cluster, copy), join(copy, 'machines', 'g'));
  const files = readdirSync(copy, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(copy.length + 1));
  assert.deepEqual(files.toSorted(), ['.sops.yaml', 'apps/base/secrets.sops.yaml', 'machines/g/cluster.yaml', 'machines/g/patches/all.yaml']);
  const bare = join(host.scratch, 'bare.git');
  await publish(host, copy, bare, 'main');
  const listed = await host.run({ program: 'git', args: ['ls-tree', '-r', '--name-only', 'main'], cwd: bare });
  assert.equal(listed.stdout.trim().split('\n').length, 4);
  const log = async (where: string): Promise<string[]> => (await host.run({ program: 'git', args: ['log', '--format=%s', 'main'], cwd: where })).stdout.trim().split('\n');
  assert.equal((await log(bare)).length, 1);

  // Upon the history of another repository the commit is one more, and the tree is the work tree's.
  const second = join(host.scratch, 'second');
  await copyHomelab({ repository, folder } as Cluster, second);
  writeFileSync(join(second, '.sops.yaml'), 'x: 2\n');
  await publish(host, second, join(host.scratch, 'second.git'), 'main', bare);
  assert.equal((await log(join(host.scratch, 'second.git'))).length, 2);
  assert.equal((await host.run({ program: 'git', args: ['show', 'main:.sops.yaml'], cwd: join(host.scratch, 'second.git') })).stdout, 'x: 2\n');
  host.remove();
});
