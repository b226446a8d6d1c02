import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { checkSteps, runChecks } from '../../../bootstrap/check.ts';
import type { Facts } from '../../../bootstrap/facts.ts';
import { runSteps } from '../../../bootstrap/runner.ts';
import { upSteps } from '../../../bootstrap/up.ts';
import { getObjects, secretValue } from '../../../gitops/kubectl.ts';
import { openHomelab } from '../../../gitops/secrets/homelab.ts';
import { commitOwn } from '../../../gitops/secrets/own-git.ts';
import { skeletonFiles } from '../../../gitops/skeleton/template.ts';
import { openVault } from '../../../gitops/vault/client.ts';
import { moveToSops, moveToVault, readersWithVault } from '../../../gitops/vault/move.ts';
import { ManyErrors } from '../../../lib/errors.ts';
import { loadCluster } from '../../../nodes/load.ts';
import { openRehearsal } from '../../support/rehearsal.ts';

const OWNER = { GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' };
const template = fileURLToPath(new URL('../../../examples/homelab', import.meta.url));
const inventory = fileURLToPath(new URL('../../inventories/valid/vault.yaml', import.meta.url));

test('with the section vault the cluster comes up with the vault’s secrets, a changed one is followed, a bad one is told, and none is seen', async () => {
  const home = mkdtempSync(join(tmpdir(), 'firstlight-vault-'));
  const rehearsal = await openRehearsal(await homelab(join(home, 'homelab')));
  try {
    const { world, host } = rehearsal;
    const { store } = world.vault!;
    const token = async ({ kubeconfig }: Facts): Promise<string | undefined> => secretValue((await getObjects(host, kubeconfig, ['-n', 'podinfo', 'secret/notes']))[0], 'token');
    /** The steps of `up` that have to do with the vault, one after the other; gives those that had to act. */
    const followUp = async (facts: Facts): Promise<string[]> => {
      const acted: string[] = [];
      for (const step of upSteps(facts).filter(({ id }) => /^(vault|reconciled)/.test(id))) {
        const { steps } = await runSteps([{ ...step, needs: [] }], host);
        acted.push(...steps.filter(({ end }) => end !== 'already').map(({ step: each }) => each.id));
      }
      return acted;
    };
    const first = store.get('tiny-notes').version.value;
    const { facts } = await rehearsal.up();
    assert.equal(await token(facts), first);
    assert.deepEqual(await followUp(facts), []);
    store.set('tiny-notes', { value: 'canary-changed-value' });
    assert.deepEqual(await followUp(facts), ['vault-synced']);
    assert.equal(await token(facts), 'canary-changed-value');
    const look = checkSteps(facts).filter((step) => step.id === 'vault');
    await runChecks(look, host);
    assert.match(host.events.at(-1)?.message ?? '', /^tiny-notes: 0 days old, without an end$/);

    // The Secret stays what it is while its value goes to SOPS and back to the vault.
    const root = dirname(dirname(world.clusterFolder));
    const bare = join(dirname(root), 'git/homelab.git');
    const git = (...args: string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, env: { ...process.env, ...OWNER } });
    git('config', 'user.name', 'owner');
    git('config', 'user.email', 'o@localhost');
    git('add', '--all');
    git('commit', '--quiet', '--message', 'After up');
    git('pull', '--quiet', '--rebase', bare, 'main');
    const states: string[] = [];
    for (const move of [moveToSops, moveToVault]) {
      const homelab = await openHomelab(host, root);
      const path = 'apps/tiny/notes.sops.yaml';
      const readers = await Promise.all(readersWithVault(homelab, path).map(async (each) => ({ ...each, client: await openVault(host, each.vault, world.keys) })));
      await commitOwn(host, root, 'Move it', (await move(host, homelab, readers, { path, key: 'token' })).paths);
      git('push', '--quiet', bare, 'HEAD:main');
      await followUp({ ...facts, cluster: await loadCluster(world.clusterFolder) });
      states.push(`${existsSync(join(root, path))} ${await token(facts)} ${(await getObjects(host, facts.kubeconfig, ['-n', 'podinfo', 'externalsecrets.external-secrets.io'])).length}`);
    }
    assert.deepEqual(states, ['true canary-changed-value 0', 'false canary-changed-value 1']);

    store.remove('tiny-notes');
    const fault = await runChecks(look, host).catch((error: unknown) => error);
    assert.ok(fault instanceof ManyErrors && fault.problems[0] instanceof ManyErrors);
    // Who may only read is not told of deleted secrets.
    assert.deepEqual(fault.problems[0].problems.map((each) => each.code), ['E_VAULT_MISSING']);

    const history = git('log', '--all', '-p');
    assert.match(history, /vault\.sops\.yaml/);
    for (const secret of [first, 'canary-changed-value', world.keys.vaultClientSecret]) assert.ok(![JSON.stringify(host.events), history].some((text) => text.includes(secret)), 'a secret is seen');
  } finally {
    await rehearsal.close();
    rmSync(home, { recursive: true, force: true });
  }
});

/** A homelab as init makes it, of two nodes without a NAS, and one secret in the vault; gives the cluster's folder. */
async function homelab(root: string): Promise<string> {
  const [cluster, owner] = ['age1caf3fxhrt3xc2tsncsm7cmh62uk0ywvnvytvqfx8v6nc3gva7ewqlla5pf', 'age166lmqh5kfa7fxtvgt82hpy9l729guae9534tmn9xf06zyajpgqqstjnwdh'];
  for (const { path, text } of await skeletonFiles(template, { name: 'tiny', prefix: '192.168.77', recipients: { cluster, owner, offline: owner } })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const change = (path: string, how: (text: string) => string): void => writeFileSync(join(root, path), how(readFileSync(join(root, path), 'utf8')));
  change('infrastructure/controllers/kustomization.yaml', (text) => text.replace(/resources:[\s\S]*/, 'resources: []\n'));
  change('apps/tiny/kustomization.yaml', (text) => text.replace('  - ../base/gitea\n', ''));
  const worker = '  - { name: w-1, role: worker, mac: "dc:a6:32:00:00:21", address: 192.168.77.21 }\n';
  const secrets = '  secrets:\n    - { name: tiny-notes, store: vault, path: apps/tiny/notes, namespace: podinfo, key: token }\n';
  change('machines/tiny/cluster.yaml', () => readFileSync(inventory, 'utf8').replace('secrets:\n  recipients', `${worker}secrets:\n  recipients`).replace(/ {2}secrets:\n[\s\S]*$/, secrets));
  return join(root, 'machines/tiny');
}
