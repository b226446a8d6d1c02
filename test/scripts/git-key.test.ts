import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { stringify } from 'yaml';
import { issue } from '../../lab/kubernetes/pki.ts';
import { startGitApi, type LabGitApi } from '../../lab/git/api.ts';
import { makeAuthority } from '../../lab/vault/authority.ts';
import { sopsEncrypt } from '../../lib/sops.ts';
import { newSshKey } from '../../lib/ssh-key.ts';
import { ageKey } from '../support/age.ts';
import { testHost } from '../support/host.ts';

// The command as a person types it, against a git host of his own: Gitea's API under a certificate of his own authority.

const cli = fileURLToPath(new URL('../../scripts/cli.ts', import.meta.url));
const valid = fileURLToPath(new URL('../inventories/valid/git-host.yaml', import.meta.url));
const TOKEN = 'canary-token-8f21';
const host = testHost();
const pair = newSshKey();
const folder = join(host.scratch, 'machines/tiny');
const authority = join(host.scratch, 'ca.pem');
let lab: LabGitApi;
let identity: string;

before(async () => {
  const ca = await makeAuthority('CN=Homelab');
  const address = '127.100.20.21';
  writeFileSync(authority, ca.crt);
  lab = await startGitApi({ kind: 'gitea', address, port: 0, repository: 'me/homelab', tokens: { [TOKEN]: 'admin' }, tls: await issue(ca, { commonName: 'git', sans: [address], usages: ['server'], days: 1 }) });
  const age = await ageKey(host, 'laptop');
  identity = age.file;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'cluster.yaml'), readFileSync(valid, 'utf8').replace(/api: .* \}/, `api: "${lab.api}" }`));
  const credentials = join(folder, 'credentials.sops.yaml');
  writeFileSync(credentials, await sopsEncrypt(host, { plain: stringify({ gitKey: pair.private, chap: {} }), path: credentials, recipients: [age.recipient, (await ageKey(host, 'paper')).recipient] }), { mode: 0o600 });
});
after(async () => {
  await lab.close();
  host.remove();
});

async function gitKey(words: readonly string[], environment: Record<string, string> = {}, input = '', cluster = folder): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...host.environment, XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(process.env['HOME'] ?? '', '.cache'), SOPS_AGE_KEY_FILE: identity, ...environment };
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', cli, '--plain', 'git-key', cluster, ...words], { env, timeout: 60_000 });
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close') as Promise<[number]>]);
  assert.ok(![TOKEN, ...pair.private.split('\n').slice(1, -2)].some((secret) => (stdout + stderr).includes(secret)), 'a secret was told');
  return { code, stdout, stderr };
}

test('the public half is the only thing on standard output; where it goes is beside it', async () => {
  const { code, stdout, stderr } = await gitKey([]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `${pair.public.trim().split(' ').slice(0, 2).join(' ')} firstlight-tiny\n`);
  assert.match(stderr, /me\/homelab: https:\/\/127\.100\.20\.21:\d+\/me\/homelab\/settings\/keys/);
  assert.deepEqual(lab.requests, []);
});

test('a certificate of an unknown authority is refused before the token is sent', async () => {
  const { code, stderr } = await gitKey(['--install'], { GITEA_TOKEN: TOKEN });
  assert.equal(code, 1);
  assert.match(stderr, /E_GIT_API_TLS.*UNABLE_TO_VERIFY_LEAF_SIGNATURE[^]*NODE_EXTRA_CA_CERTS/);
  assert.deepEqual(lab.requests, []);
});

test('--install puts the key there, with the token from the environment or piped in', async () => {
  const ca = { NODE_EXTRA_CA_CERTS: authority };
  const made = await gitKey(['--install'], { ...ca, GITEA_TOKEN: TOKEN });
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stderr, /me\/homelab has the key now, with write access, as "firstlight tiny SHA256:/);
  assert.equal(lab.keys.length, 1);
  const again = await gitKey(['--install'], ca, `${TOKEN}\n`);
  assert.match(again.stderr, /has the key already, with write access: nothing was changed/);
  assert.equal(lab.keys.length, 1);
});

test('where only SSH is known of the git host, --install says what to declare', async () => {
  const gandalf = fileURLToPath(new URL('../../examples/homelab/machines/gandalf', import.meta.url));
  const { code, stderr } = await gitKey(['--install'], {}, '', gandalf);
  assert.equal(code, 1);
  assert.match(stderr, /E_GIT_API_NONE[^]*gitops\.host: \{ kind: gitea \}/);
});
