import assert from 'node:assert/strict';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, test } from 'node:test';
import { fluxReport } from '../../gitops/flux.ts';
import { readFluxManifests, wantedComponents } from '../../gitops/flux-manifests.ts';
import { testHost } from '../support/host.ts';

const LAYOUT = fileURLToPath(new URL('./layout-of-flux', import.meta.url));
const host = testHost();
after(() => host.remove());

const gitops = { path: 'clusters/staging' };
const THREE = ['source-controller', 'kustomize-controller', 'helm-controller'];

function repository(name: string, files: Record<string, string> = {}): string {
  const root = join(host.scratch, name);
  cpSync(LAYOUT, root, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

test('files that only hold their places are no manifests; what the flux program writes is, with its version and controllers', async () => {
  assert.equal(await readFluxManifests(repository('places'), gitops), undefined);
  const { stdout } = await host.run({ program: 'flux', args: ['install', '--export', `--components=${THREE.join(',')}`] });
  const root = repository('written', { 'clusters/staging/flux-system/gotk-components.yaml': stdout, 'clusters/staging/flux-system/gotk-sync.yaml': 'kind: GitRepository\n' });
  const { version, names, kustomized } = await readFluxManifests(root, gitops) ?? {};
  assert.match(version ?? '', /^v2\.\d+\.\d+$/);
  assert.deepEqual([names, kustomized], [THREE, true]);
  // Without its header it is still known by its labels.
  const bare = repository('bare', { 'clusters/staging/flux-system/gotk-components.yaml': stdout.replace(/^#.*\n/gm, ''), 'clusters/staging/flux-system/gotk-sync.yaml': 'kind: GitRepository\n' });
  assert.equal((await readFluxManifests(bare, gitops))?.version, version);
});

test('controllers are installed for what the repository declares for this cluster, and none that is there is taken away', async () => {
  const alert = 'apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Alert\n';
  const wanted = async (name: string, files: Record<string, string>, there: string[] = []) => {
    const { plain, extra } = await wantedComponents(repository(name, files), gitops, there);
    return [...plain.slice(3), '|', ...extra].join(' ');
  };
  assert.deepEqual(await wantedComponents(repository('plain'), gitops, THREE), { plain: THREE, extra: [] });
  assert.equal(await wanted('own', { 'clusters/staging/alert.yaml': alert }), 'notification-controller |');
  assert.equal(await wanted('shared', { 'infrastructure/configs/alert.yaml': alert }), 'notification-controller |');
  assert.equal(await wanted('others', { 'clusters/production/alert.yaml': alert, 'machines/production/patches/a.yaml': alert, '.github/a.yaml': alert }), '|');
  assert.equal(await wanted('comment', { 'apps/staging/alert.yaml': alert.replace(/^/gm, '# ') }), '|');
  assert.equal(await wanted('artifacts', { 'clusters/staging/artifacts.yaml': '---\napiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\n' }), '| source-watcher');
  assert.equal(await wanted('there', {}, [...THREE, 'notification-controller', 'image-reflector-controller']), 'notification-controller | image-reflector-controller image-automation-controller');
});

test('check tells which version of Flux a bootstrap would bring, and what it would say to another', async () => {
  const whole = { ...gitops, url: 'ssh://git@192.168.77.6/homelab.git', branch: 'main', hostKey: 'ssh-ed25519 AAAA' };
  const { stdout } = await host.run({ program: 'flux', args: ['install', '--export', `--components=${THREE.join(',')}`] });
  const version = /^# Flux Version: (v\S+)$/m.exec(stdout)?.[1] ?? '';
  const root = (name: string, comes: string) => repository(name, {
    'clusters/staging/flux-system/gotk-components.yaml': stdout.replaceAll(version, comes), 'clusters/staging/flux-system/gotk-sync.yaml': 'kind: GitRepository\n',
  });
  const report = async (folder: string, pinned?: string): Promise<string> => (await fluxReport(host, whole, folder, pinned)).replaceAll(version, 'HERE');
  assert.equal(await report(repository('new')), 'HERE; the first `up` pins it');
  assert.equal(await report(root('same', version), version), 'HERE, as pinned and in the repository');
  assert.match(await report(root('older', 'v2.1.0'), 'v2.1.0'), /^! the flux program is HERE, but the repository has v2\.1\.0, .*pins v2\.1\.0.*--upgrade-flux/);
  assert.match(await report(root('newer', 'v2.99.0')), /^! .*can’t go back/);
});
