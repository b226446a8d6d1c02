import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { openVault } from '../../../gitops/vault/client.ts';
import { proveVault } from '../../../gitops/vault/look.ts';
import { FirstlightError, ManyErrors } from '../../../lib/errors.ts';
import type { Vault } from '../../../nodes/cluster.ts';
import { CLIENT_SECRET, NOBODY, OFFICER, startVaultWorld, stored, TENANT, type VaultWorld } from '../../lab/vault/world.ts';

const DAY = 86_400;
let world: VaultWorld;
before(async () => { world = await startVaultWorld('127.31.8.1'); });
after(async () => { await world.close(); });

const thrown: FirstlightError[] = [];

/** The code, message and hint with which reading `name` fails; kept for the last test. */
async function failure(change: Partial<Vault> = {}, name = 'token', secret = CLIENT_SECRET, deadlineMs = 20_000): Promise<string> {
  try {
    const client = await openVault(world.host, { ...world.vault, ...change }, { vaultClientSecret: secret }, deadlineMs);
    await client.read(name);
  } catch (error) {
    assert.ok(error instanceof FirstlightError, inspect(error));
    thrown.push(error);
    assert.ok(error.hint.length > 20);
    return `${error.code} ${error.message}`;
  }
  return 'read';
}

test('a value is written and read back, and hidden from then on', async () => {
  const client = await openVault(world.host, world.vault, world.credentials);
  const written = await client.write('token', 'canary-value-one');
  const read = await client.read('token');
  assert.deepEqual([read.value, read.version, read.name], ['canary-value-one', written.version, 'token']);
  assert.ok(Math.abs((read.created ?? 0) - Date.now()) < 60_000);
  assert.equal(world.host.mask.hide(`${CLIENT_SECRET} canary-value-one`), '••• •••');
  const newer = await client.write('token', 'canary-value-two');
  assert.notEqual(newer.version, written.version);
  assert.equal((await client.read('TOKEN')).value, 'canary-value-two');
});

test('every way in that is shut has its code', async () => {
  assert.match(await failure({}, 'token', 'canary-wrong-secret'), /^E_VAULT_AUTH .*not the right one \(AADSTS7000215\)/);
  assert.match(await failure({ clientId: '00000000-94f3-4f2a-8d3a-7c1f0e9b6a21' }), /^E_VAULT_AUTH .*no application/);
  assert.match(await failure({ tenant: '00000000-0d9c-4f0e-9d0b-6f2a8c1e7b55' }), /^E_VAULT_AUTH .*another tenant/);
  world.lab.fault = { kind: 'secret expired' };
  assert.match(await failure(), /^E_VAULT_AUTH .*has expired/);
  world.lab.fault = { kind: 'firewall' };
  assert.match(await failure(), /^E_VAULT_FIREWALL/);
  world.lab.fault = undefined;
  assert.match(await failure({ clientId: NOBODY }), /^E_VAULT_FORBIDDEN .*may not/);
  const { ca: _, ...strange } = world.vault;
  await assert.rejects(openVault(world.host, strange, world.credentials).then((client) => client.read('token')), { code: 'E_VAULT_CERTIFICATE' });
  const other = join(world.host.scratch, 'other.pem');
  writeFileSync(other, 'no certificate');
  assert.match(await failure({ ca: other }), /^E_VAULT_CA/);
  assert.match(await failure({ authority: 'https://127.31.8.1:1' }, 'token', CLIENT_SECRET, 300), /^E_VAULT_UNREACHABLE/);
});

test('a vault that answers nothing is given up on, and the run’s own abort is told as that', async () => {
  world.lab.fault = { kind: 'hang' };
  assert.match(await failure({}, 'token', CLIENT_SECRET, 300), /^E_VAULT_UNREACHABLE .*no answer in time/);
  world.lab.fault = undefined;
  const abort = new AbortController();
  abort.abort(new Error('stopped by hand'));
  const client = await openVault({ ...world.host, signal: abort.signal }, world.vault, world.credentials);
  await assert.rejects(client.read('token'), /stopped by hand/);
});

test('throttling is waited for as the vault says, and told where it stays', async () => {
  world.lab.fault = { kind: 'throttle', retryAfter: 0, times: 2 };
  assert.equal(await failure(), 'read');
  world.lab.fault = { kind: 'throttle', retryAfter: 0 };
  const before = world.lab.requests.length;
  assert.match(await failure(), /^E_VAULT_THROTTLED/);
  assert.equal(world.lab.requests.slice(before).filter((request) => request.status === 429).length, 4);
  world.lab.fault = undefined;
});

test('a check tells every secret’s fault at once, with age and end of the good ones', async () => {
  const { store } = world.lab;
  const now = Math.floor(Date.now() / 1000);
  store.set('fine', { value: 'canary-fine' });
  store.set('soon', { value: 'canary-soon', attributes: { exp: now + 12 * DAY + 60 } });
  store.set('expired', { value: 'canary-expired', attributes: { exp: now - 3 * DAY } });
  store.set('later', { value: 'canary-later', attributes: { nbf: now + 3 * DAY } });
  store.set('off', { value: 'canary-off', attributes: { enabled: false } });
  store.set('gone', { value: 'canary-gone' });
  store.remove('gone');
  const client = await openVault(world.host, world.vault, world.credentials);
  const look = (names: readonly string[]) => proveVault(world.host, { ...world.vault, secrets: [...names.map((name) => stored(name)), stored('elsewhere', { store: 'sops' })] }, client);
  assert.deepEqual(await look(['fine', 'soon']), {
    seen: ['fine: 0 days old, without an end', `soon: 0 days old, ends ${new Date((now + 12 * DAY + 60) * 1000).toISOString().slice(0, 10)}`],
    warnings: ['soon expires in 12 days: set a new version with a later end'],
  });
  assert.deepEqual(await look([]), { seen: [], warnings: [] });
  const error = await look(['fine', 'expired', 'later', 'off', 'gone', 'never']).catch((each: unknown) => each);
  assert.ok(error instanceof ManyErrors);
  thrown.push(...error.problems);
  assert.deepEqual(error.problems.map((each) => each.code), ['E_VAULT_EXPIRED', 'E_VAULT_NOT_YET', 'E_VAULT_DISABLED', 'E_VAULT_DELETED', 'E_VAULT_MISSING']);
  assert.match(error.problems[3]!.message, /can be recovered until \d{4}-/);
  world.lab.fault = { kind: 'firewall' };
  await assert.rejects(look(['fine', 'soon']), { code: 'E_VAULT_FIREWALL' });
  world.lab.fault = undefined;
  await assert.rejects(client.write('gone', 'canary-again'), { code: 'E_VAULT_DELETED' });
});

test('a person writes as himself where the principal may only read', async () => {
  const reading = await startVaultWorld('127.31.8.7', 'read');
  const bin = join(reading.host.scratch, 'bin');
  mkdirSync(bin);
  const ask = `fetch(process.argv[1], { method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials', client_id: '${OFFICER}', client_secret: '${CLIENT_SECRET}', scope: process.argv[2] }) })
    .then((answer) => answer.json()).then((token) => console.log(JSON.stringify({ accessToken: token.access_token, expires_on: 4e9 })))`;
  writeFileSync(join(bin, 'az'), `#!/bin/sh\n[ "$*" = "account get-access-token --tenant ${TENANT} --scope ${reading.lab.url}/.default --output json" ] || exit 3\nNODE_EXTRA_CA_CERTS='${reading.vault.ca}' exec '${process.execPath}' -e "${ask}" '${reading.lab.url}/${TENANT}/oauth2/v2.0/token' "$6"\n`, { mode: 0o755 });
  reading.host.environment['PATH'] = `${bin}:${process.env['PATH']}`;
  try {
    await assert.rejects((await openVault(reading.host, reading.vault, reading.credentials)).write('mine', 'canary-mine'), { code: 'E_VAULT_FORBIDDEN' });
    await (await openVault(reading.host, reading.vault, 'az')).write('mine', 'canary-mine');
    assert.equal((await (await openVault(reading.host, reading.vault, reading.credentials)).read('mine')).value, 'canary-mine');
    await assert.rejects((await openVault(reading.host, { ...reading.vault, tenant: 'other.example' }, 'az')).read('mine'), { code: 'E_VAULT_AUTH', hint: /az login/ });
  } finally {
    await reading.close();
  }
});

test('no error holds a secret, however it is shown', () => {
  assert.ok(thrown.length > 12);
  assert.doesNotMatch(inspect(thrown, { depth: 20, showHidden: true }), /canary|Bearer/);
});
