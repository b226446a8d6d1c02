import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { stringify } from 'yaml';
import type { GitRepository } from '../../../lab/kubernetes/source/git-repository.ts';
import { commandLines } from '../../support/processes.ts';
import { eventually, startControlPlane, testHost } from './control-plane.ts';
import { gitFixture } from './git-fixture.ts';
import { helmPart, OWN_CHARTS } from './helm-part.ts';
import { selfMadeMaterial } from './material.ts';
import { startNode } from './node.ts';

const REPOSITORY = '/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/flux-system';

test('flux install finds its controllers running, and they reconcile a repository with SOPS from a git host', async (t) => {
  const material = await selfMadeMaterial('cp-1', '127.61.4.11');
  const host = testHost();
  const git = await gitFixture(host.scratch, '127.61.4.30');
  t.after(() => git.host.close());
  const cp = await startControlPlane(material, host, { kind: 'new' });
  const worker = startNode(material, { name: 'worker-1', address: '127.61.4.21', folder: host.scratch });
  t.after(async () => { await worker.end('stop'); await cp.stop(); });

  const components = '--components=source-controller,kustomize-controller,helm-controller';
  await host.run({ program: 'flux', args: ['--kubeconfig', cp.kubeconfig, 'install', components, '--timeout=60s'], timeoutMs: 90_000 });
  assert.match(await cp.kubectl('-n', 'flux-system', 'get', 'deployments', '--no-headers'), /kustomize-controller +1\/1 +1 +1/);

  const identity = await generateIdentity();
  const encrypt = async (name: string, value: string): Promise<string> => {
    const path = join(host.scratch, `${name}.yaml`);
    writeFileSync(path, stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'default' }, stringData: { value } }));
    const args = ['encrypt', '--encrypted-regex', '^(data|stringData)$', '--age', await identityToRecipient(identity), path];
    return (await host.run({ program: 'sops', args })).stdout;
  };
  const configMap = (value: string): string => stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'shire', namespace: 'default' }, data: { value } });
  const first = git.commit({
    'clusters/gandalf/secret.yaml': await encrypt('ring', 'one'), 'clusters/gandalf/shire.yaml': configMap('peace'),
    '.sops.yaml': 'creation_rules: []\n', 'clusters/gandalf/.sops.yaml': 'creation_rules: []\n', 'clusters/gandalf/map.png': 'no picture', 'docs/a.txt': 'x',
    '.sourceignore': 'docs/\n',
  });
  await cp.kubectl('apply', '-f', secretsFile(host.scratch, git, identity));
  await cp.kubectl('apply', '-f', syncFile(host.scratch, git.url));
  await cp.kubectl('-n', 'flux-system', 'wait', 'kustomization/flux-system', '--for=condition=Ready', '--timeout=60s');
  assert.equal(await cp.kubectl('get', 'secret', 'ring', '-o', 'jsonpath={.data.value}'), Buffer.from('one').toString('base64'));
  const source = await cp.api.client.get<GitRepository>(REPOSITORY);
  assert.equal(source.status?.artifact?.revision, `main@sha1:${first}`);
  const held = await files(source.status.artifact.url, host);
  assert.deepEqual(held, ['.sourceignore', 'clusters/', 'clusters/gandalf/', 'clusters/gandalf/secret.yaml', 'clusters/gandalf/shire.yaml']);

  const second = git.commit({ 'clusters/gandalf/shire.yaml': configMap('scoured') });
  await host.run({ program: 'flux', args: ['--kubeconfig', cp.kubeconfig, 'reconcile', 'kustomization', 'flux-system', '--with-source', '--timeout=60s'] });
  assert.equal(await cp.kubectl('get', 'configmap', 'shire', '-o', 'jsonpath={.data.value}'), 'scoured');
  assert.match((await host.run({ program: 'flux', args: ['--kubeconfig', cp.kubeconfig, 'get', 'all'] })).stdout, new RegExp(`main@sha1:${second.slice(0, 8)}`));

  git.commit({ 'clusters/gandalf/shire.yaml': undefined });
  await host.run({ program: 'flux', args: ['--kubeconfig', cp.kubeconfig, 'reconcile', 'kustomization', 'flux-system', '--with-source', '--timeout=60s'] });
  await assert.rejects(cp.kubectl('get', 'configmap', 'shire'), /not found/);

  await t.test('the real helm-controller installs and upgrades what HelmReleases want', async () => {
    git.commit(OWN_CHARTS);
    await host.run({ program: 'flux', args: ['--kubeconfig', cp.kubeconfig, 'reconcile', 'source', 'git', 'flux-system', '--timeout=60s'] });
    await helmPart(cp);
  });

  const ready = async (): Promise<string> => {
    const condition = (await cp.api.client.get<GitRepository>(REPOSITORY)).status?.conditions?.find((one) => one.type === 'Ready');
    return `${condition?.status} ${condition?.reason} ${condition?.message}`;
  };
  await git.host.fail('refuse');
  await cp.kubectl('-n', 'flux-system', 'annotate', 'gitrepository/flux-system', 'reconcile.fluxcd.io/requestedAt=refused', '--overwrite');
  await eventually(host, 'the source tells that the git host refuses', ready, /^False GitOperationFailed .*Connection refused/);
  await git.host.fail(undefined);
  await eventually(host, 'the source recovers by itself', ready, /^True Succeeded /);
  const strange = Buffer.from(git.knownHosts.replace(/\S+\n$/, 'AAAAC3NzaC1lZDI1NTE5AAAAIJ9aTt6ZiyWbRNwCoP7JLEYkQNWYBGGlkmgTzI4VgmlH\n')).toString('base64');
  await cp.kubectl('-n', 'flux-system', 'patch', 'secret', 'flux-system', '--patch', JSON.stringify({ data: { known_hosts: strange } }));
  await cp.kubectl('-n', 'flux-system', 'annotate', 'gitrepository/flux-system', 'reconcile.fluxcd.io/requestedAt=stranger', '--overwrite');
  await eventually(host, 'the source refuses a strange host', ready, /^False GitOperationFailed .*verification failed/);

  await cp.kubectl('-n', 'flux-system', 'scale', 'deployment/kustomize-controller', '--replicas=0');
  await eventually(host, 'the controller is gone', async () => [...commandLines().values()].every((line) => !(line.includes('kustomize-controller ') && line.includes('127.61.4.21'))));
});

function secretsFile(folder: string, git: { identity: string; knownHosts: string }, identity: string): string {
  const path = join(folder, 'secrets.yaml');
  const secret = (name: string, stringData: Record<string, string>): string => stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'flux-system' }, stringData });
  writeFileSync(path, [secret('flux-system', { identity: git.identity, known_hosts: git.knownHosts }), secret('sops-age', { 'age.agekey': identity })].join('---\n'), { mode: 0o600 });
  return path;
}

function syncFile(folder: string, url: string): string {
  const path = join(folder, 'sync.yaml');
  const metadata = { name: 'flux-system', namespace: 'flux-system' };
  writeFileSync(path, [
    stringify({ apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'GitRepository', metadata, spec: { interval: '1m0s', ref: { branch: 'main' }, secretRef: { name: 'flux-system' }, url } }),
    stringify({
      apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', metadata,
      spec: { interval: '10m', path: './clusters/gandalf', prune: true, sourceRef: { kind: 'GitRepository', name: 'flux-system' }, decryption: { provider: 'sops', secretRef: { name: 'sops-age' } } },
    }),
  ].join('---\n'));
  return path;
}

async function files(url: string, host: ReturnType<typeof testHost>): Promise<string[]> {
  const stdin = new Uint8Array(await (await fetch(url)).arrayBuffer());
  return (await host.run({ program: 'tar', args: ['tzf', '-'], stdin })).stdout.trim().split('\n').sort();
}
