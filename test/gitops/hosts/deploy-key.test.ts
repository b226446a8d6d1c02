import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { deployKeyTitle, ensureDeployKey, keyFingerprint } from '../../../gitops/hosts/deploy-key.ts';
import { hostedRepository, publishedHostKeys, type HostedRepository } from '../../../gitops/hosts/repository.ts';
import { startGitApi, type GitApiFault, type LabGitApi } from '../../../lab/git/api.ts';
import type { FirstlightError } from '../../../lib/errors.ts';
import { newSshKey } from '../../../lib/ssh-key.ts';
import { testHost } from '../../support/host.ts';

const ADDRESS = '127.100.2.20';
const TOKENS = { 'canary-token-admin-51c0': 'admin', 'canary-token-read-51c1': 'read', 'canary-token-none-51c2': 'none' } as const;
const [ADMIN, READ, NONE] = Object.keys(TOKENS) as [string, string, string];
const NAMES = { github: 'bilbo/homelab', gitlab: 'shire/bag-end/homelab', gitea: 'bilbo/homelab' };
const host = testHost();
const pair = newSshKey();
const key = { public: `${pair.public.trim()} firstlight-gandalf`, title: deployKeyTitle('gandalf', pair.public) };
const plainKey = pair.public.trim().split(' ').slice(0, 2).join(' ');

after(() => host.remove());

/** What went wrong, as its owner reads it: never a token, and something to do. */
async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => undefined, (thrown: unknown) => thrown as FirstlightError);
  assert.ok(error?.hint.length && error.hint.length > 20, String(error));
  assert.doesNotMatch(`${error.message} ${error.hint} ${error.stack} ${JSON.stringify(error.cause ?? '')}`, /canary-token/);
  return `${error.code} ${error.message} | ${error.hint}`;
}

for (const kind of ['github', 'gitlab', 'gitea'] as const) {
  let lab: LabGitApi;
  let repository: HostedRepository;
  const install = (token = ADMIN, to = repository) => ensureDeployKey(host, to, key, token);
  before(async () => {
    lab = await startGitApi({ kind, address: ADDRESS, port: 0, repository: NAMES[kind], tokens: TOKENS });
    repository = hostedRepository({ url: `ssh://git@git.example.com:2222/${NAMES[kind]}.git`, host: { kind, api: lab.api } })!;
  });
  beforeEach(() => {
    lab.keys.length = 0;
    lab.requests.length = 0;
    lab.taken.clear();
    lab.fault = undefined;
  });
  after(() => lab.close());

  test(`${kind}: the key is added with write access, once`, async () => {
    assert.equal(await install(), 'added');
    assert.deepEqual(lab.keys.map(({ title, mayWrite, content }) => [title, mayWrite, content.startsWith(plainKey)]), [[key.title, true, true]]);
    assert.equal(await install(), 'there');
    assert.deepEqual(lab.requests.map((line) => line.replace(/ \/\S+/, '')), ['GET 200', 'POST 201', 'GET 200', 'GET 200']);
    assert.doesNotMatch(lab.requests.join('\n'), /canary/);
  });

  test(`${kind}: an equal key under another title is taken as it is, behind however many others`, async () => {
    for (let id = 1; id <= 120; id += 1) lab.keys.push({ id, title: `key ${id}`, content: `ssh-ed25519 AAAA${id}`, mayWrite: false });
    lab.keys.push({ id: 121, title: 'by hand', content: `${plainKey} bilbo@bag-end`, mayWrite: true });
    assert.equal(await install(), 'there');
    assert.ok(lab.requests.every((line) => line.startsWith('GET ')));
    assert.equal(lab.keys.length, 121);
  });

  test(`${kind}: an equal key that may only read is told, with where to mend it, and left alone`, async () => {
    lab.keys.push({ id: 1, title: 'by hand', content: plainKey, mayWrite: false });
    assert.match(await failure(install()), /^E_DEPLOY_KEY_READ_ONLY .*"by hand".*\/homelab\//);
    assert.equal(lab.keys[0]?.mayWrite, false);
  });

  test(`${kind}: a key that is somebody else’s already is told`, async () => {
    lab.taken.add(plainKey);
    assert.match(await failure(install()), /^E_GIT_API_KEY_IN_USE .*(already in use|already been taken|non-deploy key).*ssh-keygen/);
  });

  test(`${kind}: each refusal has its code and what the token must be allowed`, async () => {
    assert.match(await failure(install('canary-token-unknown')), /^E_GIT_API_TOKEN .*(GITHUB|GITLAB|GITEA)_TOKEN/);
    assert.match(await failure(install(READ)), /^E_GIT_API_FORBIDDEN .*(Administration|scope api|write:repository)/);
    assert.match(await failure(install(NONE)), /^E_GIT_API_NO_REPOSITORY /);
    assert.match(await failure(install(ADMIN, { ...repository, name: 'bilbo/other' })), /^E_GIT_API_NO_REPOSITORY bilbo\/other|knows no repository bilbo\/other/);
    const faults: Record<Exclude<GitApiFault, 'hang'>, RegExp> = {
      spent: /^E_GIT_API_LIMIT .*again in /, 'too fast': /^E_GIT_API_LIMIT .*again in /,
      down: /^E_GIT_API_BROKEN .*502/, moved: /^E_GIT_API_MOVED .*gitops\.url/, page: /^E_GIT_API_BROKEN .*gitops\.host\.api/,
    };
    for (const [fault, told] of Object.entries(faults)) {
      lab.fault = fault as GitApiFault;
      assert.match(await failure(install()), told);
    }
    assert.ok(lab.requests.every((line) => line.startsWith('GET ')));
    assert.deepEqual(lab.keys, []);
  });

  test(`${kind}: Ctrl+C ends a silent host’s request`, async () => {
    lab.fault = 'hang';
    const abort = new AbortController();
    const asked = ensureDeployKey({ ...host, signal: abort.signal }, repository, key, ADMIN);
    setImmediate(() => abort.abort());
    await assert.rejects(asked, { name: 'AbortError' });
  });

  test(`${kind}: a host that is gone is unreachable, with a way to do it by hand`, async () => {
    assert.match(await failure(install(ADMIN, { ...repository, api: `http://${ADDRESS}:40001` })), /^E_GIT_API_UNREACHABLE .*ECONNREFUSED.*firstlight git-key/);
  });
}

test('a key that has expired, or that a policy switched off, is told', async () => {
  for (const [kind, more, told] of [['gitlab', { expires: '2026-01-02T00:00:00Z' }, /expired on 2026-01-02/], ['github', { enabled: false }, /switched off.*policy/]] as const) {
    const lab = await startGitApi({ kind, address: ADDRESS, port: 0, repository: NAMES[kind], tokens: TOKENS });
    lab.keys.push({ id: 1, title: 'old', content: plainKey, mayWrite: true, ...more });
    const repository = hostedRepository({ url: `ssh://git@git.example.com/${NAMES[kind]}`, host: { kind, api: lab.api } })!;
    assert.match(await failure(ensureDeployKey(host, repository, key, ADMIN)), told);
    await lab.close();
  }
});

test('a token that can’t be one is refused before it is sent, and not repeated', async () => {
  const repository = hostedRepository({ url: 'ssh://git@github.com/bilbo/homelab.git' })!;
  for (const token of ['canary-token one', 'canary-token\ntwo', 'canary-tokén', 'short', '']) assert.match(await failure(ensureDeployKey(host, repository, key, token)), /^E_GIT_TOKEN /);
});

test('a host that repeats the token in what it says is masked', async () => {
  const repository = hostedRepository({ url: 'ssh://git@github.com/bilbo/homelab.git' })!;
  const echo: typeof fetch = async (_to, init) => Response.json({ message: `no: ${new Headers(init?.headers).get('authorization')}` }, { status: 403 });
  assert.match(await failure(ensureDeployKey({ ...host, fetch: echo }, repository, key, ADMIN)), /^E_GIT_API_FORBIDDEN .*no: Bearer •••/);
});

test('what a git host is, is known from the URL or declared; the page for a person is named', () => {
  const page = (url: string, kind?: 'github' | 'gitlab' | 'gitea', api = '') => hostedRepository({ url, ...(kind ? { host: { kind, api } } : {}) })?.page;
  assert.equal(page('ssh://git@github.com/bilbo/homelab.git'), 'https://github.com/bilbo/homelab/settings/keys/new');
  assert.equal(page('ssh://git@ssh.github.com:443/bilbo/homelab.git'), 'https://github.com/bilbo/homelab/settings/keys/new');
  assert.equal(page('ssh://git@gitlab.com/shire/bag-end/homelab.git'), 'https://gitlab.com/shire/bag-end/homelab/-/settings/repository#js-deploy-keys-settings');
  assert.equal(page('ssh://git@192.168.77.6:2222/bilbo/homelab.git', 'gitea', 'https://git.example.com/gitea/api/v1'), 'https://git.example.com/gitea/bilbo/homelab/settings/keys');
  assert.equal(page('ssh://git@git.example.com/bilbo/homelab', 'github', 'https://git.example.com/api/v3'), 'https://git.example.com/bilbo/homelab/settings/keys/new');
  assert.equal(page('ssh://git@192.168.77.6/homelab.git'), undefined);
  for (const path of ['homelab.git', 'a/b/c.git', '~bilbo/homelab.git']) assert.throws(() => page(`ssh://git@github.com/${path}`), { code: 'E_GIT_URL' });
  assert.match(publishedHostKeys({ url: 'ssh://git@ssh.github.com:443/a/b' }) ?? '', /docs\.github\.com/);
  assert.equal(publishedHostKeys({ url: 'ssh://git@git.example.com/a/b', host: { kind: 'gitlab', api: 'https://git.example.com/api/v4' } }), 'https://git.example.com/help/instance_configuration#ssh-host-keys-fingerprints');
  assert.equal(publishedHostKeys({ url: 'ssh://git@192.168.77.6/homelab.git' }), undefined);
});

test('a key’s fingerprint and title are those of OpenSSH', async () => {
  const { stdout } = await host.run({ program: 'ssh-keygen', args: ['-l', '-f', '-'], stdin: key.public });
  assert.equal(stdout.split(' ')[1], keyFingerprint(key.public));
  assert.equal(key.title, `firstlight gandalf ${keyFingerprint(key.public).slice(0, 15)}`);
});
