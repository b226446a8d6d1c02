import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { parse } from 'yaml';
import { commitOwn } from '../../../gitops/secrets/own-git.ts';
import { workTreeFaults } from '../../../gitops/secrets/check.ts';
import { setSecret } from '../../../gitops/secrets/set.ts';
import { openVault } from '../../../gitops/vault/client.ts';
import { moveToSops, moveToVault, readersWithVault, type Move, type Moved, type Reader } from '../../../gitops/vault/move.ts';
import type { Command, Host } from '../../../lib/host.ts';
import { sopsDecrypt } from '../../../lib/sops.ts';
import { CLIENT, startVaultWorld, TENANT, type VaultWorld } from '../../lab/vault/world.ts';
import { desk, type Desk } from '../secrets/support.ts';

const PATH = 'apps/gandalf/token.sops.yaml';
const LIST = 'apps/gandalf/kustomization.yaml';
const EXTERNAL = 'apps/gandalf/token.external.yaml';
const NAME = 'gandalf-token-token';
const VALUE = 'canary-value "with" quotes: 1';
let vault: VaultWorld;
let own: Desk;
let start: string;
const commands: Command[] = [];

before(async () => {
  vault = await startVaultWorld('127.100.5.3');
  own = await desk(['gandalf'], { url: 'ssh://git@127.0.0.1:22/homelab.git', hostKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINwvvF1lNh5cZnaioeCNaiBLz55pLGL8prS+RXMYfqxS' });
  const inventory = readFileSync(join(own.root, 'machines/gandalf/cluster.yaml'), 'utf8');
  own.write('machines/gandalf/cluster.yaml', `${inventory}# the vault\nvault:\n  url: ${vault.vault.url}\n  tenant: ${TENANT}\n  clientId: ${CLIENT}\n  authority: ${vault.vault.authority}\n  ca: ./vault-ca.pem\n  secrets: [] # none yet\n`);
  own.write('machines/gandalf/vault-ca.pem', vault.lab.ca);
  await setSecret(own.host, await own.open(), { path: PATH, key: 'token', value: VALUE });
  own.git('add', '--all');
  own.git('commit', '--quiet', '--message', 'one secret');
  start = own.git('rev-parse', 'HEAD').trim();
});
after(async () => { await vault.close(); own.host.remove(); });
const fresh = (): void => {
  own.git('reset', '--quiet', '--hard', start);
  own.git('clean', '--quiet', '-fd');
  for (const { name } of vault.lab.store.live()) { vault.lab.store.remove(name); vault.lab.store.purge(name); }
};
beforeEach(fresh);

const read = (path: string): string => readFileSync(join(own.root, path), 'utf8');
const sealed = async (): Promise<Record<string, string> | undefined> => (existsSync(join(own.root, PATH)) ? (parse(await sopsDecrypt(own.host, join(own.root, PATH))) as { stringData: Record<string, string> }).stringData : undefined);
const kept = (): string | undefined => { try { return vault.lab.store.get(NAME).version.value; } catch { return undefined; } };
const declared = (): unknown => (parse(read('machines/gandalf/cluster.yaml')) as { vault: { secrets: unknown } }).vault.secrets;

/** Runs a move on a fresh look at the repository; the `cut`th thing done outside (a program, a call of the vault) fails as a crash would. */
async function run(move: typeof moveToVault, change: Partial<Move> = {}, cut = Infinity): Promise<Moved> {
  let left = cut;
  const pass = (): void => { left -= 1; if (left < 0) throw new Error('cut'); };
  const host: Host = { ...own.host, run: async (command) => { commands.push(command); if (command.program === 'sops') pass(); return own.host.run(command); } };
  const homelab = await own.open();
  const readers: Reader[] = [];
  for (const each of readersWithVault(homelab, PATH)) {
    const client = await openVault(host, each.vault, vault.credentials);
    readers.push({ ...each, client: { ...client, read: async (name) => { pass(); return client.read(name); }, write: async (name, value) => { const facts = await client.write(name, value); pass(); return facts; } } });
  }
  const done = await move(host, homelab, readers, { path: PATH, key: 'token', ...change });
  pass();
  await commitOwn(host, own.root, 'Move it', done.paths);
  return done;
}

test('a value goes into the vault and back, and the inventory’s one line with it', async () => {
  await run(moveToVault);
  assert.equal(kept(), VALUE);
  assert.equal(existsSync(join(own.root, PATH)), false);
  assert.deepEqual(parse(read(EXTERNAL)), {
    apiVersion: 'external-secrets.io/v1', kind: 'ExternalSecret', metadata: { name: 'token-token', namespace: 'podinfo' },
    spec: { refreshInterval: '15m0s', secretStoreRef: { kind: 'ClusterSecretStore', name: 'azure-key-vault' }, target: { name: 'token', creationPolicy: 'CreateOrMerge' }, data: [{ secretKey: 'token', remoteRef: { key: NAME } }] },
  });
  assert.match(read(LIST), /- deployment.yaml # the app\n {2}- token.external.yaml\n$/);
  assert.deepEqual(declared(), [{ name: NAME, store: 'vault', path: 'apps/gandalf/token', namespace: 'podinfo', key: 'token' }]);
  const inventory = read('machines/gandalf/cluster.yaml');
  assert.match(inventory, /# the cluster's own\n/);
  assert.equal(own.git('status', '--porcelain'), '');
  assert.deepEqual(own.git('show', '--name-status', '--no-renames', '--format=').trim().split('\n').sort(), [`A\t${EXTERNAL}`, `D\t${PATH}`, `M\t${LIST}`, 'M\tmachines/gandalf/cluster.yaml']);
  assert.deepEqual(await workTreeFaults(own.host, await own.open()), []);

  await run(moveToSops);
  assert.deepEqual(await sealed(), { token: VALUE });
  assert.equal(kept(), VALUE);
  assert.equal(existsSync(join(own.root, EXTERNAL)), false);
  assert.match(read(LIST), /- deployment.yaml # the app\n {2}- token.sops.yaml\n$/);
  assert.equal(read('machines/gandalf/cluster.yaml'), inventory.replace('store: vault', 'store: sops'));
  assert.equal(own.git('status', '--porcelain'), '');
});

test('a key goes alone where its file has others', async () => {
  await setSecret(own.host, await own.open(), { path: PATH, key: 'other', value: 'canary-other' });
  await run(moveToVault);
  assert.deepEqual(await sealed(), { other: 'canary-other' });
  await run(moveToVault, { key: 'other' });
  const external = parse(read(EXTERNAL)) as { metadata: { name: string }; spec: { data: unknown } };
  assert.deepEqual([await sealed(), external.metadata.name, external.spec.data], [undefined, 'token-other-token', [
    { secretKey: 'other', remoteRef: { key: 'gandalf-token-other' } }, { secretKey: 'token', remoteRef: { key: NAME } }]]);
  await run(moveToSops, { key: 'other' });
  assert.deepEqual([await sealed(), (parse(read(EXTERNAL)) as typeof external).metadata.name], [{ other: 'canary-other' }, 'token-token']);
  assert.match(read(LIST), /token.external.yaml\n {2}- token.sops.yaml/);
  await run(moveToSops);
  assert.deepEqual(await sealed(), { other: 'canary-other', token: VALUE });
});

for (const [title, move, before] of [['into the vault', moveToVault, undefined], ['back', moveToSops, moveToVault]] as const) {
  test(`a move ${title} that is cut off anywhere loses nothing, and goes on when it is run again`, async () => {
    let cuts = 0;
    for (; ; cuts += 1) {
      if (before) await run(before);
      const from = own.git('rev-parse', 'HEAD').trim();
      const whole = await run(move, {}, cuts).then(() => true, (error: unknown) => { assert.equal((error as Error).message, 'cut'); return false; });
      if (whole) break;
      assert.ok((await sealed())?.['token'] === VALUE || kept() === VALUE, `after ${cuts} calls it is nowhere`);
      await run(move);
      assert.equal(own.git('status', '--porcelain'), '');
      assert.notEqual(own.git('rev-parse', 'HEAD').trim(), from);
      if (move === moveToVault) assert.deepEqual([kept(), existsSync(join(own.root, PATH)), existsSync(join(own.root, EXTERNAL))], [VALUE, false, true]);
      else assert.deepEqual([(await sealed())?.['token'], existsSync(join(own.root, EXTERNAL))], [VALUE, false]);
      fresh();
    }
    assert.ok(cuts >= 4, String(cuts));
  });
}

test('a move into the vault that is cut off between two files goes on too', async () => {
  const files = [EXTERNAL, 'machines/gandalf/cluster.yaml', LIST];
  await run(moveToVault);
  const made = files.map(read);
  for (let written = 1; written <= files.length; written += 1) {
    own.git('reset', '--quiet', '--hard', start);
    files.slice(0, written).forEach((file, index) => own.write(file, made[index]!));
    await run(moveToVault);
    assert.deepEqual([files.map(read), existsSync(join(own.root, PATH)), own.git('status', '--porcelain')], [made, false, '']);
  }
  own.git('reset', '--quiet', '--hard', start);
  files.forEach((file, index) => own.write(file, made[index]!));
  own.git('rm', '--quiet', PATH);
  await run(moveToVault);
  assert.equal(own.git('status', '--porcelain'), '');
});

test('what the vault has under that name is not overwritten unasked', async () => {
  vault.lab.store.set(NAME, { value: 'canary-of-another' });
  await assert.rejects(run(moveToVault), { code: 'E_VAULT_TAKEN' });
  assert.deepEqual(await sealed(), { token: VALUE });
  await run(moveToVault, { name: 'another-name' });
  assert.deepEqual([kept(), vault.lab.store.get('another-name').version.value], ['canary-of-another', VALUE]);
  own.git('reset', '--quiet', '--hard', start);
  await run(moveToVault, { replace: true });
  assert.deepEqual(vault.lab.store.find(NAME).versions.map((each) => each.value), ['canary-of-another', VALUE]);
});

test('a vault that refuses, or a key that is nowhere, changes nothing', async () => {
  vault.lab.fault = { kind: 'firewall' };
  await assert.rejects(run(moveToVault), { code: 'E_VAULT_FIREWALL' });
  vault.lab.fault = undefined;
  await assert.rejects(run(moveToVault, { key: 'nothing' }), { code: 'E_SECRETS_KEY' });
  await assert.rejects(run(moveToSops, { key: 'nothing' }), { code: 'E_SECRETS_KEY' });
  await assert.rejects(run(moveToVault, { path: 'machines/gandalf/credentials.sops.yaml' }), { code: 'E_SECRETS_NAME' });
  assert.equal(own.git('status', '--porcelain'), '');
});

test('a file that several clusters read moves for all of them, and only where each has a vault', async () => {
  const shared = await desk(['gandalf', 'shire'], { url: 'ssh://git@127.0.0.1:22/homelab.git', hostKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINwvvF1lNh5cZnaioeCNaiBLz55pLGL8prS+RXMYfqxS' });
  const path = 'apps/base/shared.sops.yaml';
  const change = { path, key: 'token' };
  const file = (name: string): string => readFileSync(join(shared.root, name), 'utf8');
  const withVault = (cluster: string): void => shared.write(`machines/${cluster}/cluster.yaml`, `${file(`machines/${cluster}/cluster.yaml`)}vault:\n  url: ${vault.vault.url}\n  tenant: ${TENANT}\n  clientId: ${CLIENT}\n  secrets:\n    # shared by all\n    - name: home-shared\n      store: sops # for now\n      path: apps/base/shared\n      namespace: podinfo\n      key: token\n`);
  try {
    withVault('gandalf');
    await setSecret(shared.host, await shared.open(), { ...change, value: VALUE, namespace: 'podinfo' });
    const before = await shared.open();
    assert.throws(() => readersWithVault(before, path), { code: 'E_VAULT_NONE' });
    withVault('shire');
    const client = await openVault(vault.host, vault.vault, vault.credentials);
    const homelab = await shared.open();
    const readers = readersWithVault(homelab, path).map((each) => ({ ...each, client }));
    assert.deepEqual(readers.map(({ cluster }) => cluster.name), ['gandalf', 'shire']);
    const inventories = ['gandalf', 'shire'].map((name) => `machines/${name}/cluster.yaml`);
    const texts = inventories.map(file);
    await moveToVault(shared.host, homelab, readers, change);
    assert.equal(vault.lab.store.get('home-shared').version.value, VALUE);
    assert.deepEqual(inventories.map(file), texts.map((text) => text.replace('store: sops # for now', 'store: vault # for now')));
    const other = { ...client, read: async (name: string) => ({ ...await client.read(name), value: 'canary-of-shire' }) };
    await assert.rejects(moveToSops(shared.host, homelab, [readers[0]!, { ...readers[1]!, client: other }], change), { code: 'E_VAULT_DIFFER' });
    await moveToSops(shared.host, homelab, readers, change);
    assert.deepEqual(inventories.map(file), texts);
  } finally {
    shared.host.remove();
  }
});

test('no value and no secret of the principal was in an argument or a committed file', () => {
  assert.doesNotMatch(JSON.stringify([commands.map((command) => [command.program, command.args]), own.host.events]), /canary/);
  assert.doesNotMatch(own.git('log', '--all', '-p', '--reflog'), /canary/);
});
