import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { planInit, runInit } from '../../../bootstrap/init.ts';
import { getObjects, secretValue } from '../../../gitops/kubectl.ts';
import { opensAlone } from '../../../gitops/secrets/opening.ts';
import { readCredentials } from '../../../bootstrap/credentials.ts';
import type { CommandResult } from '../../../lib/host.ts';
import { loadCluster } from '../../../nodes/load.ts';
import { ageKey } from '../../support/age.ts';
import { testHost } from '../../support/host.ts';
import { openRehearsal } from '../../support/rehearsal.ts';

const OWNER = { GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' };
const template = fileURLToPath(new URL('../../../examples/homelab', import.meta.url));
const cli = fileURLToPath(new URL('../../../scripts/cli.ts', import.meta.url));

test('a homelab made by init is rehearsed; a secret set in it reaches its Pod’s Secret, a new key takes the old one’s place, Flux follows', async () => {
  const home = mkdtempSync(join(tmpdir(), 'firstlight-homelab-'));
  const owner = testHost(OWNER);
  const key = await ageKey(owner, 'laptop');
  owner.environment['SOPS_AGE_KEY_FILE'] = key.file;
  const plan = await planInit(owner, { root: join(home, 'homelab'), template, name: 'frodo', prefix: '192.168.80', url: 'ssh://git@192.168.80.6:22/homelab.git', owner: key.recipient });
  await runInit(owner, plan);
  smaller(join(plan.root, 'machines/frodo/cluster.yaml'));
  const rehearsal = await openRehearsal(join(plan.root, 'machines/frodo'));
  try {
    const { facts } = await rehearsal.up();
    const { world, host } = rehearsal;
    const root = dirname(dirname(world.clusterFolder));
    const git = (...args: string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8', env: { ...process.env, ...OWNER } });
    // What an owner does after `up`: he commits what it made beside cluster.yaml, and pulls what it pushed.
    git('config', 'user.name', 'owner');
    git('config', 'user.email', 'o@localhost');
    git('add', '--all');
    git('commit', '--quiet', '--message', 'After up');
    git('pull', '--quiet', '--rebase', join(dirname(root), 'git/homelab.git'), 'main');
    const secrets = (words: readonly string[], stdin = ''): Promise<CommandResult> => host.run({
      program: process.execPath, args: [cli, '--plain', 'secrets', ...words], cwd: root, stdin, timeoutMs: 120_000, accept: 'any', env: { ...world.environment, XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache') },
    });
    const value = async (): Promise<string | undefined> => {
      const [secret] = await getObjects(host, facts.kubeconfig, ['-n', 'podinfo', 'secret/token']);
      return secretValue(secret, 'token');
    };
    const set = await secrets(['set', 'apps/frodo/token.sops.yaml', 'token', '--namespace', 'podinfo', '--push'], 'canary-one');
    assert.equal(set.exitCode, 0, set.stderr);
    assert.equal(await value(), 'canary-one');
    const old = (await readCredentials(host, await loadCluster(world.clusterFolder))).clusterIdentity ?? '';
    const rotated = await secrets(['rotate', 'frodo']);
    assert.equal(rotated.exitCode, 0, rotated.stderr);
    const fresh = (await readCredentials(host, await loadCluster(world.clusterFolder))).clusterIdentity ?? '';
    assert.notEqual(fresh, old);
    assert.equal(await opensAlone(host, join(root, 'apps/frodo/token.sops.yaml'), old), false);
    const again = await secrets(['set', 'apps/frodo/token.sops.yaml', 'token', '--push'], 'canary-two');
    assert.equal(again.exitCode, 0, again.stderr);
    assert.equal(await value(), 'canary-two');
    const checked = await secrets(['check']);
    assert.equal(checked.exitCode, 0, checked.stderr);
    for (const { stdout, stderr } of [set, rotated, again, checked]) for (const secret of ['canary-', old, fresh]) assert.ok(!(stdout + stderr).includes(secret));
  } finally {
    await rehearsal.close();
    owner.remove();
    rmSync(home, { recursive: true, force: true });
  }
});

/** One control plane and one worker are enough. */
function smaller(path: string): void {
  writeFileSync(path, readFileSync(path, 'utf8').replace(/ {2}- name: frodo-w-2[\s\S]*?(?=\n\n# Without this section boards)/, ''));
}
