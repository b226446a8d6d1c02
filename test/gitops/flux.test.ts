import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { newSshKey } from '../../lib/ssh-key.ts';
import { ensureAgeSecret, observeAgeSecret } from '../../gitops/age-secret.ts';
import { ensureCsiSecret, observeCsiSecret } from '../../gitops/csi-secret.ts';
import { bootstrapFlux, observeFlux } from '../../gitops/flux.ts';
import { kubectl } from '../../gitops/kubectl.ts';
import { observeKustomizations, observeSecretDelivered, reconcileNow } from '../../gitops/kustomizations.ts';
import { commitFiles, openRepository } from '../../gitops/repository.ts';
import { chapSecret, persistentVolume } from '../../gitops/volume-manifests.ts';
import { waitFor } from '../../lib/conditions.ts';
import type { FirstlightError } from '../../lib/errors.ts';
import type { Command } from '../../lib/host.ts';
import type { Kubelet } from '../../lab/kubernetes/kubelet.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { startControlPlane, type TestControlPlane } from '../lab/kubernetes/control-plane.ts';
import { selfMadeMaterial } from '../lab/kubernetes/material.ts';
import { startNode } from '../lab/kubernetes/node.ts';
import { testHost } from '../support/host.ts';
import { layoutPart } from './layout-part.ts';
import { canaries, spoken, startGitWorld, type GitWorld } from './support.ts';

// The contract: one road from an empty cluster to a reconciled repository, with the real flux, kubectl, sops, git,
// kustomize-controller and kube-apiserver. The tests below go along it in order.
const CONTROL_PLANE = '127.100.1.4';
let world: GitWorld;
let plane: TestControlPlane;
let worker: Kubelet;
let kubeconfig: string;

before(async () => {
  // One after the other: where the first fails, nothing of the second is left running.
  world = await startGitWorld('127.100.1.5');
  plane = await startControlPlane(await selfMadeMaterial('cp-1', CONTROL_PLANE), testHost(), { kind: 'new' });
  kubeconfig = plane.kubeconfig;
  worker = startNode(plane.material, { name: 'worker-1', address: '127.100.1.6', folder: plane.host.scratch });
});

after(async () => {
  world?.host.abort.abort();
  await worker?.end('stop');
  await plane?.stop();
  await world?.close();
});

const open = () => openRepository(world.host, world.cluster, world.credentials);
const observe = (cluster: Cluster = world.cluster) => observeFlux(world.host, cluster, kubeconfig);
const bootstrap = (cluster: Cluster = world.cluster, credentials = world.credentials) => bootstrapFlux(world.host, cluster, credentials, kubeconfig);
const withGitops = (change: Partial<NonNullable<Cluster['gitops']>>): Cluster => ({ ...world.cluster, gitops: { ...world.cluster.gitops!, ...change } });

async function eventually(name: string, holds: () => Promise<boolean>, deadlineMs: number): Promise<void> {
  const look = async () => (await holds() ? { met: true, value: true } as const : { met: false, seen: 'not yet' } as const);
  await waitFor({ name, deadlineMs, everyMs: 250, hint: 'see the logs below the scratch folder', look }, world.host);
}

async function reconciled(revision: string): Promise<boolean> {
  const states = await observeKustomizations(world.host, world.cluster, kubeconfig, revision);
  return states.length >= 5 && states.every((state) => state.ready);
}

/** Every argument and environment-free command line of this machine's processes that holds one of the texts. */
function argumentsWith(texts: readonly string[]): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return texts.some((text) => line.includes(text)) ? [line] : [];
    } catch {
      return [];
    }
  });
}

test('an empty cluster needs everything, and the look says what', async () => {
  assert.deepEqual(await observe(), { state: 'needed', why: 'Flux is not installed' });
  assert.equal((await observeAgeSecret(world.host, kubeconfig, [world.credentials.clusterIdentity])).state, 'needed');
  const states = await observeKustomizations(world.host, world.cluster, kubeconfig, '0'.repeat(40));
  assert.deepEqual(states, [{ name: 'flux-system', ready: false, message: 'is not there yet' }]);
});

test('the age identity is put in, found, and another is noticed', async () => {
  const { clusterIdentity } = world.credentials;
  await ensureAgeSecret(world.host, kubeconfig, [clusterIdentity]);
  assert.equal((await observeAgeSecret(world.host, kubeconfig, [clusterIdentity])).state, 'done');
  assert.match(JSON.stringify(await observeAgeSecret(world.host, kubeconfig, ['AGE-SECRET-KEY-1OTHER'])), /another identity/);
  assert.equal(await plane.kubectl('-n', 'flux-system', 'get', 'secret', 'sops-age', '-o', 'jsonpath={.data.age\\.agekey}'), Buffer.from(`${clusterIdentity}\n`).toString('base64'));
});

test('a wrong host key, a refused key and a refused push end the bootstrap with their code, and nothing is pushed', async () => {
  const stranger = newSshKey();
  await assert.rejects(bootstrap(withGitops({ hostKey: stranger.public.split(' ').slice(0, 2).join(' ') })), { code: 'E_GIT_HOST_KEY' });
  await assert.rejects(bootstrap(world.cluster, { ...world.credentials, gitKey: stranger.private }), { code: 'E_GIT_AUTH' });
  await world.git.fail('refuse-push');
  await assert.rejects(bootstrap(), { code: 'E_GIT_PUSH_REFUSED' });
  await world.git.fail(undefined);
  assert.deepEqual(world.git.pushes, []);
  assert.equal((await observe()).state, 'needed');
});

test('flux bootstrap, then every Kustomization is Ready at the pushed revision and the Secret is there decrypted', { timeout: 240_000 }, async () => {
  await ensureCsiSecret(world.host, world.cluster, world.credentials, await open());
  const seen: string[] = [];
  const sampling = setInterval(() => seen.push(...argumentsWith(canaries(world))), 50);
  try {
    await bootstrap();
  } finally {
    clearInterval(sampling);
  }
  assert.deepEqual(seen, []);
  assert.equal((await observe()).state, 'done');
  const { revision } = await open();
  await reconcileNow(world.host, kubeconfig);
  await eventually('every Kustomization is Ready at the pushed revision', () => reconciled(revision), 120_000);
  assert.equal((await observeSecretDelivered(world.host, world.cluster, world.credentials, kubeconfig)).state, 'done');
  const names = (await observeKustomizations(world.host, world.cluster, kubeconfig, revision)).map((state) => state.name).sort();
  assert.deepEqual(names, ['apps', 'flux-system', 'infra-configs', 'infra-controllers', 'monitoring', 'volumes']);
  assert.match(await plane.kubectl('get', 'storageclass,deployment', '-A'), /synology-iscsi[\s\S]*podinfo/);
});

test('the API server takes the volumes of declared LUNs, of either kind, and their Secrets', async () => {
  const claim = { namespace: 'podinfo', name: 'data', fsType: 'ext4' as const };
  const lun = { name: 'data', bytes: 20 * 2 ** 30, iqn: 'iqn.2000-01.com.synology:data', user: 'gandalf', claim };
  for (const version of ['1.11.0', '1.14.0']) {
    const cluster = { talos: { ...world.cluster.talos, version } };
    const items = [persistentVolume(cluster, world.cluster.nas!, { lun, claim, uuid: 'u-1', number: 1 }), chapSecret(cluster, lun, { chap: { data: 'canary-chap-1234' } })];
    const answer = await kubectl(world.host, kubeconfig, ['apply', '--dry-run=server', '--validate=strict', '--filename=-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    assert.match(answer, /persistentvolume\/data created[^]*secret\/data-chap created/);
  }
});

test('a second time everything is done: nothing is committed, and the bootstrap itself pushes nothing', { timeout: 120_000 }, async () => {
  const pushes = world.git.pushes.length;
  assert.equal((await observeCsiSecret(world.host, world.cluster, world.credentials, await open())).state, 'done');
  assert.equal((await observe()).state, 'done');
  await bootstrap();
  assert.equal(world.git.pushes.length, pushes);
});

test('Flux trusts the pinned host key alone, and a Secret that trusts another is noticed and mended', { timeout: 120_000 }, async () => {
  const known = await plane.kubectl('-n', 'flux-system', 'get', 'secret', 'flux-system', '-o', 'jsonpath={.data.known_hosts}');
  assert.equal(Buffer.from(known, 'base64').toString(), `[127.100.1.5]:2222 ${world.git.hostKey}\n`);
  const other = Buffer.from('[127.100.1.5]:2222 ssh-ed25519 AAAA\n').toString('base64');
  await plane.kubectl('-n', 'flux-system', 'patch', 'secret', 'flux-system', '--type=merge', '-p', JSON.stringify({ data: { known_hosts: other } }));
  assert.match(JSON.stringify(await observe()), /pinned host key/);
  await bootstrap();
  assert.equal((await observe()).state, 'done');
});

test('another path and a suspended object are refused before the run', async () => {
  await assert.rejects(bootstrap(withGitops({ path: 'clusters/other' })), { code: 'E_FLUX_PATH' });
  await plane.kubectl('-n', 'flux-system', 'patch', 'kustomization', 'flux-system', '--type=merge', '-p', '{"spec":{"suspend":true}}');
  await assert.rejects(bootstrap(), { code: 'E_FLUX_SUSPENDED' });
  await assert.rejects(bootstrap(withGitops({ path: 'clusters/other' })), { code: 'E_FLUX_CONFLICT' });
  const { revision } = await open();
  assert.match(JSON.stringify(await observeKustomizations(world.host, world.cluster, kubeconfig, revision)), /is suspended/);
  await plane.kubectl('-n', 'flux-system', 'patch', 'kustomization', 'flux-system', '--type=merge', '-p', '{"spec":{"suspend":false}}');
});

test('a commit that cannot be applied is told by name and message, and its mending is followed', { timeout: 120_000 }, async () => {
  const path = 'infrastructure/configs/storage/storage-class.yaml';
  const good = readFileSync(join((await open()).folder, path), 'utf8');
  const bad = await commitFiles(world.host, await open(), 'Break it', [{ path, content: good.replace('kind: StorageClass', 'kind: StorageClasses') }]);
  await reconcileNow(world.host, kubeconfig);
  await eventually('infra-configs tells what is wrong', async () => {
    const states = await observeKustomizations(world.host, world.cluster, kubeconfig, bad.repository.revision);
    const state = states.find((each) => each.name === 'infra-configs');
    return state?.ready === false && /StorageClasses/.test(state.message);
  }, 60_000);
  const mended = await commitFiles(world.host, await open(), 'Mend it', [{ path, content: good }]);
  await reconcileNow(world.host, kubeconfig);
  await eventually('every Kustomization is Ready again', () => reconciled(mended.repository.revision), 60_000);
});

test('changed credentials are seen as not delivered until Flux has applied them', { timeout: 120_000 }, async () => {
  const changed = { ...world.credentials, nasPassword: 'canary-changed-password' };
  const look = () => observeSecretDelivered(world.host, world.cluster, changed, kubeconfig);
  assert.match(JSON.stringify(await look()), /other credentials/);
  await ensureCsiSecret(world.host, world.cluster, changed, await open());
  await reconcileNow(world.host, kubeconfig);
  await eventually('the new credentials are delivered', async () => (await look()).state === 'done', 60_000);
});

test('a flux program of another version is refused before anything is changed, unless a newer one is told to', async () => {
  const pushes = world.git.pushes.length;
  const there = await observe();
  const { version } = there;
  assert.match(version ?? '', /^v2\.\d+\.\d+$/);
  const asIf = (comes: string) => ({ ...world.host, run: async (command: Command) => (command.args[0] === 'version' ? { exitCode: 0, stdout: `{ "flux": "${comes}" }`, stderr: '' } : world.host.run(command)) });
  const seen: string[] = [];
  for (const [comes, way] of [['v2.99.0', 'bootstrap'], ['v2.0.0', 'bootstrap'], ['v2.0.0', 'upgrade']] as const) {
    await assert.rejects(bootstrapFlux(asIf(comes), world.cluster, world.credentials, kubeconfig, { way }), (error: FirstlightError) => Boolean(seen.push(`${error.code} ${error.message}`)));
  }
  assert.deepEqual(seen.map((text) => text.replaceAll(version ?? '', 'HERE')), [
    'E_FLUX_VERSION the flux program is v2.99.0, but the cluster has HERE, the repository has HERE: a bootstrap would commit an upgrade',
    ...['', ''].map(() => 'E_FLUX_VERSION the flux program is v2.0.0, but the cluster has HERE, the repository has HERE: Flux can’t go back to an older version'),
  ]);
  // What the flux program says that was built on this machine, which has the manifests of three controllers only.
  const lacking = { ...world.host, run: async (command: Command) => (command.args[0] === 'bootstrap' ? { exitCode: 1, stdout: '', stderr: '✗ accumulating resources: open /tmp/flux-system1/notification-controller.yaml: no such file or directory' } : world.host.run(command)) };
  await assert.rejects(bootstrapFlux(lacking, world.cluster, world.credentials, kubeconfig), { code: 'E_FLUX_COMPONENT', message: /can't install notification-controller/ });
  assert.equal(JSON.stringify(await observeFlux(asIf('v2.99.0'), world.cluster, kubeconfig, 'upgrade')), JSON.stringify({ state: 'needed', why: `Flux ${version} is to become v2.99.0` }));
  assert.deepEqual(await observeFlux(asIf('v2.99.0'), world.cluster, kubeconfig), there);
  assert.equal(world.git.pushes.length, pushes);
});

test('a repository in the layout of Flux’s guide, with an older Flux, is brought to this one when told, and none of its owner’s files is changed', { timeout: 240_000 }, async () => {
  const layout = await layoutPart(world, kubeconfig);
  await layout.uninstall();
  const before = (await layout.git('rev-parse', 'main')).trim();
  const pushes = world.git.pushes.length;
  await assert.rejects(layout.bootstrap(), { code: 'E_FLUX_VERSION', message: /but the repository has v2\.0\.0: a bootstrap would commit an upgrade/ });
  assert.equal(world.git.pushes.length, pushes);
  await layout.bootstrap('upgrade');
  await layout.reconciled('flux-system', 'infra-controllers', 'infra-configs', 'apps');
  const changed = (await layout.git('diff', '--name-status', before, 'main')).trim().split('\n');
  assert.deepEqual(changed, ['M\tclusters/staging/flux-system/gotk-components.yaml', 'M\tclusters/staging/flux-system/gotk-sync.yaml']);
  assert.match(await plane.kubectl('-n', 'web', 'get', 'helmrelease,deployment', '-o', 'name'), /helmrelease\S*podinfo[^]*deployment\S*podinfo/);
  assert.match(await plane.kubectl('get', 'clusterissuer', 'letsencrypt', '-o', 'jsonpath={.spec.acme.server}'), /acme-staging/);

  // Then the cluster is lost, and Flux comes back from what the repository has.
  const pushed = world.git.pushes.length;
  await layout.uninstall();
  const { gitops } = layout.cluster;
  await assert.rejects(layout.restore({ ...layout.cluster, gitops: { ...gitops!, path: 'clusters/production' } }), { code: 'E_FLUX_NO_MANIFESTS' });
  await assert.rejects(layout.restore({ ...layout.cluster, gitops: { ...gitops!, url: gitops!.url.replace('.git', '') } }), { code: 'E_FLUX_SYNC' });
  assert.match(JSON.stringify(await layout.observe()), /Flux is not installed/);
  await layout.restore();
  assert.equal((await layout.observe()).state, 'done');
  assert.match(await plane.kubectl('-n', 'flux-system', 'get', 'deployment', 'kustomize-controller', '-o', 'jsonpath={.spec.template.spec.containers[0].args}'), /--requeue-dependency=2s/);
  await layout.reconciled('flux-system');
  assert.equal(world.git.pushes.length, pushed);
});

test('an API server that is away has its code', async () => {
  const away = parse(readFileSync(kubeconfig, 'utf8').replaceAll(':6443', ':6444')) as object;
  const path = join(world.host.scratch, 'away');
  writeFileSync(path, JSON.stringify(away), { mode: 0o600 });
  await assert.rejects(kubectl(world.host, path, ['get', 'namespaces']), { code: 'E_KUBE_UNREACHABLE' });
});

test('no secret was spoken on the whole road', () => {
  const text = spoken(world);
  for (const secret of [...canaries(world), 'canary-changed-password']) assert.ok(!text.includes(secret));
});
