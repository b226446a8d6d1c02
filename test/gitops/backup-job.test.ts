import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { writeJob } from '../../bootstrap/archive/write-job.ts';
import { jobManifests, recipientsOf, talosAccess, type Bucket } from '../../gitops/backup-job.ts';
import { observeBackupJob } from '../../gitops/backup-job-delivery.ts';
import { builtManifests } from '../../gitops/manifests.ts';
import { commitFiles, openRepository } from '../../gitops/repository.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { canaries, spoken, startGitWorld, type GitWorld } from './support.ts';

const FOLDER = 'infrastructure/backup/gandalf';
const KEYS = { accessKeyId: 'CANARYJOBKEY000001', secretAccessKey: 'canary/job+secret-3b7e' };
const bucket: Bucket = { kind: 's3', name: 'offsite', bucket: 'homelab', prefix: 'backups', region: 'eu-central-1', endpoint: 'https://s3.example.com' };
let world: GitWorld;
let cluster: Cluster;
let credentials: Credentials;
before(async () => {
  world = await startGitWorld('127.101.21.9');
  cluster = { ...world.cluster, backup: { places: [{ kind: 'folder', name: 'disk', path: '/backups', make: false }, bucket], keep: { last: 1, daily: 1, weekly: 1, monthly: 1 } } };
  credentials = { ...world.credentials, places: { offsite: KEYS } };
  mkdirSync(cluster.folder, { recursive: true });
});
after(async () => { await world.close(); });

const open = () => openRepository(world.host, cluster, credentials);
const read = async (path: string): Promise<string> => readFileSync(join((await open()).folder, path), 'utf8');

test('the job, its right and the encrypted keys are committed once, and the patch lies beside cluster.yaml', async () => {
  const written = await writeJob(world.host, cluster, credentials);
  assert.deepEqual([written.committed, written.patched, written.bucket.name], [true, true, 'offsite']);
  assert.deepEqual(parse(readFileSync(written.patch, 'utf8')), talosAccess());
  const pushes = world.git.pushes.length;
  assert.deepEqual(await writeJob(world.host, cluster, credentials), { ...written, committed: false, patched: false });
  assert.equal(world.git.pushes.length, pushes);
  assert.equal((await observeBackupJob(world.host, cluster, credentials, await open(), bucket)).state, 'done');
  const keys = parse(await read(`${FOLDER}/s3-keys.sops.yaml`)) as { metadata: object; stringData: Record<string, string> };
  assert.deepEqual(keys.metadata, { name: 's3-keys', namespace: 'etcd-backup' });
  for (const value of Object.values(keys.stringData)) assert.match(value, /^ENC\[/);
});

test('kustomize builds what Flux will apply: one container for each person’s recipient, each with its own prefix, no right but the snapshot', async () => {
  const built = (await builtManifests(world.host, (await open()).folder, 'clusters/gandalf')).map(({ object }) => object as { kind: string; apiVersion: string; metadata: { name: string; namespace?: string }; spec: never });
  const mine = built.filter(({ metadata }) => metadata.namespace === 'etcd-backup' || metadata.name === 'etcd-backup').map(({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.name}`);
  assert.deepEqual(mine.sort(), ['batch/v1 CronJob etcd-backup', 'talos.dev/v1alpha1 ServiceAccount etcd-backup', 'v1 Namespace etcd-backup', 'v1 Secret s3-keys']);
  const kustomization = built.find(({ kind, metadata }) => kind === 'Kustomization' && metadata.name === 'backup');
  assert.ok(kustomization && !JSON.stringify(kustomization).includes('dependsOn'), 'it waits for nobody, and nobody for it');
  const job = built.find(({ kind }) => kind === 'CronJob') as unknown as { spec: { jobTemplate: { spec: { template: { spec: { containers: { name: string; env: { name: string; value?: string }[] }[]; volumes: { name: string }[] } } } } } };
  const { containers, volumes } = job.spec.jobTemplate.spec.template.spec;
  assert.deepEqual(containers.map(({ name, env }) => [name, env.find((each) => each.name === 'S3_PREFIX')?.value]), [['gandalf', 'backups/snapshots/gandalf'], ['laptop', 'backups/snapshots/laptop']]);
  assert.deepEqual(volumes.map(({ name }) => name), ['talos', 'work-gandalf', 'work-laptop']);
  assert.deepEqual((built.find(({ apiVersion }) => apiVersion.startsWith('talos.dev'))!.spec as { roles: string[] }).roles, ['os:etcd:backup']);
});

test('the owner’s schedule, image and labels stay; another bucket comes in', async () => {
  const path = `${FOLDER}/cron-job.yaml`;
  const text = (await read(path)).replace('schedule: 17 3 * * *', 'schedule: 0 */6 * * * # mine').replaceAll('talos-backup:v0.1.0-beta.3', 'talos-backup:v0.2.0')
    .replaceAll('memory: 640Mi', 'memory: 1Gi').replaceAll('sizeLimit: 512Mi', 'sizeLimit: 900Mi');
  assert.match(text, /# mine/);
  await commitFiles(world.host, await open(), 'Mine', [{ path, content: text }]);
  assert.equal((await writeJob(world.host, cluster, credentials)).committed, false);
  const moved = { ...cluster, backup: { ...cluster.backup, places: [{ ...bucket, bucket: 'elsewhere' }] } };
  assert.equal((await writeJob(world.host, moved, credentials)).committed, true);
  const now = await read(path);
  assert.match(now, /schedule: 0 \*\/6 \* \* \* # mine/);
  assert.ok(now.includes('memory: 1Gi') && now.includes('sizeLimit: 900Mi') && !/512Mi|640Mi/.test(now));
  assert.ok(now.includes('talos-backup:v0.2.0') && now.includes('elsewhere') && !now.includes('value: homelab'));
});

test('without a bucket, with several, or with a patch that says otherwise, it says what to do and commits nothing', async () => {
  const pushes = world.git.pushes.length;
  const withPlaces = (...places: Cluster['backup']['places']): Cluster => ({ ...cluster, backup: { ...cluster.backup, places } });
  await assert.rejects(writeJob(world.host, withPlaces(), credentials), { code: 'E_JOB_PLACE' });
  await assert.rejects(writeJob(world.host, withPlaces(bucket, { ...bucket, name: 'other' }), credentials), { code: 'E_JOB_PLACE', hint: 'Say which: offsite, other.' });
  await assert.rejects(writeJob(world.host, withPlaces({ ...bucket, ca: join(cluster.folder, 'none.pem') }), credentials), { code: 'E_JOB_CA' });
  for (const places of [undefined, {}, { offsite: { accessKeyId: 'only-one' } }]) {
    const { places: _, ...without } = credentials;
    await assert.rejects(writeJob(world.host, cluster, places === undefined ? without : { ...without, places }), { code: 'E_CREDENTIALS_MISSING' });
  }
  const patch = join(cluster.folder, 'patches/controlplane-etcd-backup.yaml');
  writeFileSync(patch, 'machine: {}\n');
  await assert.rejects(writeJob(world.host, cluster, credentials), { code: 'E_JOB_PATCH' });
  assert.equal(readFileSync(patch, 'utf8'), 'machine: {}\n');
  assert.equal(world.git.pushes.length, pushes);
});

test('with two people the cluster’s own key opens no snapshot', () => {
  const recipients = [...cluster.secrets.recipients, { name: 'paper', role: 'offline' as const, key: 'age1paper' }];
  assert.deepEqual(recipientsOf({ secrets: { recipients } }).map(({ name }) => name), ['laptop', 'paper']);
  const own = jobManifests({ ...cluster, secrets: { recipients } }, bucket, {}, 'PEM');
  assert.ok(JSON.stringify(own['cron-job.yaml']).includes('SSL_CERT_FILE') && own['authority.yaml']);
});

test('real talosctl takes the patch, for each Talos that lays its config out anew', { timeout: 60_000 }, async () => {
  const { host } = world;
  const patch = join(host.scratch, 'patch.yaml');
  writeFileSync(patch, stringify(talosAccess()));
  for (const version of ['v1.11', 'v1.12', 'v1.14']) {
    const out = join(host.scratch, `config-${version}.yaml`);
    await host.run({ program: 'talosctl', args: ['gen', 'config', 'gandalf', 'https://192.168.77.11:6443', '--talos-version', version, '--config-patch-control-plane', `@${patch}`, '-t', 'controlplane', '-o', out] });
    await host.run({ program: 'talosctl', args: ['validate', '-c', out, '-m', 'metal'] });
    const config = readFileSync(out, 'utf8').split('\n---\n').map((text) => parse(text) as { machine?: { features?: Record<string, unknown> } });
    assert.deepEqual(config[0]?.machine?.features?.['kubernetesTalosAPIAccess'], { enabled: true, allowedRoles: ['os:etcd:backup'], allowedKubernetesNamespaces: ['etcd-backup'] });
    rmSync(out);
  }
  assert.ok(existsSync(patch));
});

test('no key was spoken or lies in the repository in the clear', async () => {
  const history = (await world.host.run({ program: 'git', args: ['log', '--patch', '--all'], cwd: world.bare })).stdout;
  for (const secret of [...Object.values(KEYS), ...canaries(world)]) assert.ok(!spoken(world).includes(secret) && !history.includes(secret));
});
