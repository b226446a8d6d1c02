import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { checkSteps, runChecks } from '../../bootstrap/check.ts';
import type { Facts } from '../../bootstrap/facts.ts';
import { getObjects, secretValue } from '../../gitops/kubectl.ts';
import { skeletonFiles } from '../../gitops/skeleton/template.ts';
import { ManyErrors } from '../../lib/errors.ts';
import { openRehearsal } from '../support/rehearsal.ts';

const template = fileURLToPath(new URL('../../examples/homelab', import.meta.url));
const inventory = fileURLToPath(new URL('../inventories/valid/vault.yaml', import.meta.url));

test('with the section vault the cluster comes up with the vault’s secrets, a changed one is followed, a bad one is told, and none is seen', async () => {
  const home = mkdtempSync(join(tmpdir(), 'firstlight-vault-'));
  const rehearsal = await openRehearsal(await homelab(join(home, 'homelab')));
  try {
    const { world, host } = rehearsal;
    const { store } = world.vault!;
    const token = async ({ kubeconfig }: Facts): Promise<string | undefined> => secretValue((await getObjects(host, kubeconfig, ['-n', 'podinfo', 'secret/notes']))[0], 'token');
    const ends = ({ steps }: Awaited<ReturnType<typeof rehearsal.up>>['result']): string[] => steps.filter(({ step, end }) => /^(vault|reconciled|flux$)/.test(step.id) && end !== 'already').map(({ step }) => step.id);
    const first = store.get('tiny-notes').version.value;
    const up = await rehearsal.up();
    assert.deepEqual(ends(up.result), ['vault-manifests', 'flux', 'reconciled']);
    assert.equal(await token(up.facts), first);

    store.set('tiny-notes', { value: 'canary-changed-value' });
    const again = await rehearsal.up();
    assert.deepEqual(ends(again.result), ['vault-synced']);
    assert.equal(await token(again.facts), 'canary-changed-value');

    const look = checkSteps(again.facts).filter((step) => step.id === 'vault');
    await runChecks(look, host);
    assert.match(host.events.at(-1)?.message ?? '', /^tiny-notes: 0 days old, without an end$/);
    store.remove('tiny-notes');
    const fault = await runChecks(look, host).catch((error: unknown) => error);
    assert.ok(fault instanceof ManyErrors && fault.problems[0] instanceof ManyErrors);
    // Who may only read is not told of deleted secrets.
    assert.deepEqual(fault.problems[0].problems.map((each) => each.code), ['E_VAULT_MISSING']);

    const root = dirname(dirname(world.clusterFolder));
    const history = execFileSync('git', ['log', '--all', '-p'], { cwd: join(dirname(root), 'git/homelab.git'), encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
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
