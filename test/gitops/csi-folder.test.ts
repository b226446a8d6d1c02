import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { CSI_DRIVER, csiFolder, listedFor } from '../../gitops/csi-folder.ts';
import type { Cluster } from '../../nodes/cluster.ts';

const SHARED = 'infrastructure/controllers/synology-csi';
const cluster = { name: 'gandalf', folder: '/elsewhere/machines/gandalf' } as Cluster;

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'firstlight-csi-')); });
afterEach(() => rmSync(folder, { recursive: true }));

function put(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

const clusters = (...names: string[]) => Object.fromEntries(names.map((name) => [`machines/${name}/cluster.yaml`, `name: ${name}\n`]));
const own = { 'infrastructure/secrets/gandalf/kustomization.yaml': 'kind: Component\nresources: []\n' };
const driver = { [`${SHARED}/kustomization.yaml`]: 'resources: [release.yaml]\n' };
const withAccount = { [`${SHARED}/kustomization.yaml`]: 'resources: [release.yaml, client-info.sops.yaml]\n' };

test('each cluster has a folder of its own, with one cluster or several', async () => {
  put({ ...own, ...driver, ...clusters('gandalf') });
  assert.equal(await csiFolder(cluster, { folder }), 'infrastructure/secrets/gandalf');
  put(clusters('dev', 'stage'));
  assert.equal(await csiFolder(cluster, { folder }), 'infrastructure/secrets/gandalf');
});

test('a repository of one cluster with the account beside the driver goes on like that', async () => {
  put({ ...withAccount, ...clusters('gandalf') });
  assert.equal(await csiFolder(cluster, { folder }), SHARED);
  put(driver);
  assert.equal(await csiFolder(cluster, { folder }), SHARED);
});

test('one account where several clusters apply it, or in both places, is refused with what to do', async () => {
  const refused = async (says: RegExp): Promise<void> => assert.rejects(csiFolder(cluster, { folder }), (error: Error & { code?: string; hint?: string; where?: { file?: string } }) => {
    assert.deepEqual([error.code, error.where?.file], ['E_GIT_LAYOUT', `${SHARED}/kustomization.yaml`]);
    assert.match(error.message, says);
    assert.match(error.hint ?? '', /git mv/);
    return true;
  });
  put({ ...withAccount, ...clusters('gandalf', 'dev') });
  await refused(/gandalf and dev apply it/);
  put(own);
  await refused(/gandalf and dev apply it/);
  rmSync(join(folder, 'machines/dev'), { recursive: true });
  await refused(/beside that of infrastructure\/secrets\/gandalf/);
});

test('the driver is listed for a cluster with a NAS, but where all clusters have it, or it lies elsewhere', async () => {
  const listed = () => listedFor(folder, 'infrastructure/secrets/gandalf', CSI_DRIVER);
  assert.deepEqual(await listed(), []);
  put({ ...driver, 'infrastructure/controllers/kustomization.yaml': 'resources: []\n' });
  assert.deepEqual(await listed(), ['../../controllers/synology-csi']);
  put({ 'infrastructure/controllers/kustomization.yaml': 'resources: [synology-csi]\n' });
  assert.deepEqual(await listed(), []);
});

test('a repository of several clusters without either is told of the cluster’s own folder', async () => {
  put({ ...driver, ...clusters('gandalf', 'dev') });
  assert.equal(await csiFolder(cluster, { folder }), 'infrastructure/secrets/gandalf');
});
