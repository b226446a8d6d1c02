import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setSecret } from '../../gitops/secrets/set.ts';
import { desk, type Desk } from '../gitops/secrets/support.ts';
import { CLIENT, CLIENT_SECRET, startVaultWorld, TENANT, type VaultWorld } from '../lab/vault/world.ts';

const cli = fileURLToPath(new URL('../../scripts/cli.ts', import.meta.url));
const PATH = 'apps/gandalf/token.sops.yaml';
const CREDENTIALS = 'machines/gandalf/credentials.sops.yaml';
let own: Desk;
let vault: VaultWorld;
const seen: string[] = [];

before(async () => {
  vault = await startVaultWorld('127.100.21.6');
  own = await desk(['gandalf'], { url: 'ssh://git@127.0.0.1:22/homelab.git', hostKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINwvvF1lNh5cZnaioeCNaiBLz55pLGL8prS+RXMYfqxS' });
  own.write('machines/gandalf/cluster.yaml', `${readFileSync(join(own.root, 'machines/gandalf/cluster.yaml'), 'utf8')}vault: { url: "${vault.lab.url}", tenant: ${TENANT}, clientId: ${CLIENT}, authority: "${vault.lab.url}", ca: ./vault-ca.pem, secrets: [] }\n`);
  own.write('machines/gandalf/vault-ca.pem', vault.lab.ca);
  const homelab = await own.open();
  await setSecret(own.host, homelab, { path: CREDENTIALS, key: 'vaultClientSecret', value: CLIENT_SECRET });
  await setSecret(own.host, homelab, { path: PATH, key: 'token', value: 'canary-value' });
  own.git('config', 'user.name', 'owner');
  own.git('config', 'user.email', 'o@localhost');
  own.git('add', '--all');
  own.git('commit', '--quiet', '--message', 'with a vault');
});
after(async () => { await vault.close(); own.host.remove(); });

/** One command of the owner's, in his repository; the vault answers meanwhile. */
function firstlight(...words: string[]): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  const env = { ...process.env, SOPS_AGE_KEY_FILE: join(own.host.scratch, 'laptop.age.txt') };
  return new Promise((resolve) => execFile(process.execPath, ['--disable-warning=ExperimentalWarning', cli, '--plain', 'secrets', ...words], { cwd: own.root, encoding: 'utf8', env, timeout: 60_000 }, (error, stdout, stderr) => {
    seen.push(stdout, stderr);
    resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
  }));
}

test('one command moves a value into the vault, one back; what is missing in them is told', async () => {
  const into = await firstlight('move', PATH, 'token', '--to', 'vault');
  assert.equal(into.status, 0, into.stderr);
  assert.match(into.stderr, /token of apps\/gandalf\/token\.sops\.yaml is in https:\/\/127\.100\.21\.6:8443 as gandalf-token-token, read back and the same\.\nCommitted as [0-9a-f]{8}/);
  assert.equal(vault.lab.store.get('gandalf-token-token').version.value, 'canary-value');
  assert.match((await firstlight('list')).stdout, /https:\/\/127\.100\.21\.6:8443 {2}\(gandalf\)\n {2}gandalf-token-token +podinfo\/token\.token\n$/);
  const back = await firstlight('move', PATH, 'token', '--to', 'sops');
  assert.equal(back.status, 0, back.stderr);
  assert.match(back.stderr, /gandalf-token-token is still in https/);
  assert.deepEqual(own.git('log', '-2', '--format=%s').trim().split('\n'), [`Keep token in ${PATH}`, `Keep token of ${PATH} in the vault`]);
  assert.match((await firstlight('move', PATH, 'token')).stderr, /E_USAGE_STORE/);
  assert.match((await firstlight('move', PATH, 'nothing', '--to', 'vault')).stderr, /E_SECRETS_KEY/);
});

test('a principal that is let in no longer is told what to do, and its secret is in no word of it', async () => {
  vault.lab.fault = { kind: 'secret expired' };
  const refused = await firstlight('move', PATH, 'token', '--to', 'vault');
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /E_VAULT_AUTH[\s\S]*has expired \(AADSTS7000222\)[\s\S]*az ad app credential reset/);
  assert.equal(own.git('status', '--porcelain'), '');
  assert.doesNotMatch(seen.join(''), /canary/);
});
