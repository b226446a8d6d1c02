import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse, parseDocument } from 'yaml';
import { commitFiles, openRepository } from '../../gitops/repository.ts';
import { holds, withFields } from '../../gitops/manifest-file.ts';
import { persistentVolume, type ClaimedLun } from '../../gitops/volume-manifests.ts';
import { ensureVolumes, observeVolumes } from '../../gitops/volumes.ts';
import type { Lun, Nas } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { canaries, spoken, startGitWorld, type GitWorld } from './support.ts';

const FOLDER = 'infrastructure/volumes/gandalf';
const UUID = '6a1b2c3d-0000-4000-8000-00000000000a';
const claim = { namespace: 'gitea', name: 'gitea', fsType: 'ext4' as const };
const lun: Lun = { name: 'gandalf-data', bytes: 20 * 2 ** 30, iqn: 'iqn.2000-01.com.synology:gandalf-data', user: 'gandalf', mutualUser: 'nas', claim };
const volume: ClaimedLun = { lun, claim, uuid: UUID, number: 1 };
const SECRETS = ['canary-chap-1234', 'canary-mutual-56'];
let world: GitWorld;
let nas: Nas;
let credentials: Credentials;
before(async () => {
  world = await startGitWorld('127.100.6.9');
  nas = { ...world.cluster.nas!, luns: [lun] };
  credentials = { ...world.credentials, chap: { 'gandalf-data': SECRETS[0]! }, mutualChap: { 'gandalf-data': SECRETS[1]! } };
});
after(async () => { await world.close(); });

const open = () => openRepository(world.host, world.cluster, credentials);
const observe = async (volumes = [volume], cluster = world.cluster) => observeVolumes(world.host, cluster, nas, credentials, await open(), volumes);
const ensure = async (volumes = [volume]) => ensureVolumes(world.host, world.cluster, nas, credentials, await open(), volumes);
const read = async (name: string): Promise<string> => readFileSync(join((await open()).folder, FOLDER, name), 'utf8');

test('a LUN’s volume and its encrypted CHAP secret are committed and listed, once', async () => {
  assert.equal((await observe()).state, 'needed');
  await ensure();
  assert.equal(world.git.pushes.length, 1);
  assert.equal((await observe()).state, 'done');
  await ensure();
  assert.equal(world.git.pushes.length, 1);
  assert.deepEqual(parse(await read('gandalf-data.yaml')), {
    apiVersion: 'v1', kind: 'PersistentVolume',
    metadata: { name: 'gandalf-data', annotations: { 'firstlight.dev/lun-uuid': UUID, 'kustomize.toolkit.fluxcd.io/prune': 'disabled' } },
    spec: {
      capacity: { storage: '20Gi' }, accessModes: ['ReadWriteOnce'], persistentVolumeReclaimPolicy: 'Retain', storageClassName: 'nas-lun',
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: 'gitea', name: 'gitea' },
      iscsi: { targetPortal: '192.168.77.5:3260', iqn: lun.iqn, lun: 1, fsType: 'ext4', chapAuthSession: true, secretRef: { name: 'gandalf-data-chap', namespace: 'nas-volumes' } },
    },
  });
  const secret = parse(await read('gandalf-data-chap.sops.yaml')) as { type: string; metadata: object; stringData: Record<string, string> };
  assert.deepEqual([secret.type, secret.metadata], ['kubernetes.io/iscsi-chap', { name: 'gandalf-data-chap', namespace: 'nas-volumes' }]);
  assert.deepEqual(Object.keys(secret.stringData), ['username', 'password', 'username_in', 'password_in'].map((key) => `node.session.auth.${key}`));
  for (const value of Object.values(secret.stringData)) assert.match(value, /^ENC\[/);
  assert.deepEqual((parse(await read('kustomization.yaml')) as { resources: string[] }).resources, ['namespace.yaml', 'gandalf-data-chap.sops.yaml', 'gandalf-data.yaml']);
});

test('what the owner added to a volume stays; what the NAS says of it is put right', async () => {
  const text = (await read('gandalf-data.yaml')).replace('  name: gandalf-data\n', '  name: gandalf-data\n  labels: { mine: "yes" } # of my own\n');
  await commitFiles(world.host, await open(), 'Label it', [{ path: `${FOLDER}/gandalf-data.yaml`, content: text }]);
  assert.equal((await observe()).state, 'done');
  const grown = { ...volume, lun: { ...lun, bytes: 30 * 2 ** 30 }, uuid: UUID.replace('6a', '7b') };
  assert.match(JSON.stringify(await observe([grown])), /gandalf-data.yaml says something else than the cluster/);
  await ensure([grown]);
  const now = await read('gandalf-data.yaml');
  assert.equal(now, text.replace('20Gi', '30Gi').replace(UUID, grown.uuid));
  await ensure();
});

test('where pods are kept from the machine’s iscsid, a CSI driver takes the kubelet’s place, with the uuid as handle', async () => {
  const cluster = { ...world.cluster, talos: { ...world.cluster.talos, version: '1.14.2' } };
  const made = persistentVolume(cluster, nas, volume) as { spec: { iscsi?: object; csi: object } };
  assert.equal(made.spec.iscsi, undefined);
  assert.deepEqual(made.spec.csi, {
    driver: 'org.democratic-csi.node-manual', volumeHandle: UUID, fsType: 'ext4',
    volumeAttributes: { portal: '192.168.77.5:3260', iqn: lun.iqn, lun: '1', node_attach_driver: 'iscsi', provisioner_driver: 'node-manual' },
    nodeStageSecretRef: { name: 'gandalf-data-chap', namespace: 'nas-volumes' },
  });
  assert.match(JSON.stringify(await observe([volume], cluster)), /other credentials/, 'the driver reads other keys');
});

test('a repository without the folder is told what it lacks', async () => {
  await assert.rejects(observe([volume], { ...world.cluster, name: 'merlin' }), { code: 'E_GIT_LAYOUT', where: { file: 'infrastructure/volumes/merlin/kustomization.yaml' } });
});

test('no secret was spoken or lies in the repository in the clear', async () => {
  const history = (await world.host.run({ program: 'git', args: ['log', '--patch', '--all'], cwd: world.bare })).stdout;
  for (const secret of [...SECRETS, ...canaries(world)]) assert.ok(!spoken(world).includes(secret) && !history.includes(secret));
});

test('fields are put into a manifest without touching the rest', () => {
  const wanted = { kind: 'A', spec: { list: [1, 2], deep: { value: 'x' } } };
  const text = '# mine\nkind: A\nspec:\n  deep: { other: 1 } # kept\n  list: [1]\n';
  const made = withFields(text, wanted, 'a.yaml');
  assert.deepEqual(parse(made), { kind: 'A', spec: { deep: { other: 1, value: 'x' }, list: [1, 2] } });
  assert.match(made, /^# mine\n[^]*# kept/);
  assert.ok(holds(parse(made), wanted) && !holds(parse(text), wanted));
  assert.equal(withFields(made, wanted, 'a.yaml'), parseDocument(made).toString({ lineWidth: 0 }));
  assert.deepEqual(parse(withFields('{ not: [yaml', wanted, 'a.yaml')), wanted);
  assert.throws(() => withFields('kind: A\n---\nkind: B\n', wanted, 'a.yaml'), { code: 'E_GIT_LAYOUT' });
});
