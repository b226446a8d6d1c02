import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { backup, type BackupDone, type BackupWish } from '../../../bootstrap/archive/backup.ts';
import { listBackups } from '../../../bootstrap/archive/list.ts';
import { openArchive } from '../../../bootstrap/archive/open.ts';
import type { Archive, FluxRecord } from '../../../bootstrap/archive/types.ts';
import { verifyBackups } from '../../../bootstrap/archive/verify-backups.ts';
import { readCredentials } from '../../../bootstrap/credentials.ts';
import { createFacts, type Facts } from '../../../bootstrap/facts.ts';
import { openJournal } from '../../../bootstrap/journal.ts';
import type { StorageView } from '../../../bootstrap/storage-view.ts';
import { getObjects } from '../../../gitops/kubectl.ts';
import type { Host } from '../../../lib/host.ts';
import { readLock } from '../../../lib/lock-file.ts';
import { argvSampler } from '../../support/processes.ts';
import { openRehearsal, type Rehearsal } from '../../support/rehearsal.ts';

// A Gandalf that runs is backed up: everything that a restore needs is in the archive, and nothing secret is anywhere else.

let rehearsal: Rehearsal;
let facts: Facts;
let host: Host;
let owner: string;
let done: BackupDone;
const said: string[] = [];

const wish = (): BackupWish => ({ places: rehearsal.cluster.backup.places, identities: [owner], versions: { firstlight: '0.1.0' } });

before(async () => {
  rehearsal = await openRehearsal(fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url)));
  await rehearsal.up();
  host = { ...rehearsal.host, scratch: join(rehearsal.host.scratch, 'backup') };
  mkdirSync(host.scratch, { mode: 0o700 });
  facts = createFacts(rehearsal.cluster, host.scratch);
  owner = /AGE-SECRET-KEY-1\w+/.exec(readFileSync(rehearsal.world.environment['SOPS_AGE_KEY_FILE']!, 'utf8'))![0];
});
after(() => rehearsal.close());

test('one command: everything is in it, in one file, and not a secret in any argument or journal', { timeout: 300_000 }, async () => {
  const journal = openJournal(join(host.scratch, 'run'), host.clock, host.mask);
  const argv = argvSampler();
  done = await backup({ ...host, emit: (event) => journal.record(event) }, facts, wish(), () => {});
  journal.close();
  said.push(...argv.stop(), readFileSync(journal.path, 'utf8'));
  assert.deepEqual(done.manifest.missing, []);
  assert.deepEqual([done.places, done.made], [['backups'], true]);
  const folder = join(rehearsal.cluster.folder, 'backups');
  assert.deepEqual(readdirSync(folder), [done.name]);
  assert.equal(statSync(join(folder, done.name)).mode & 0o777, 0o600);
  const credentials = await readCredentials(host, rehearsal.cluster);
  const bundle = parse((await facts.bundle(host)).text) as { secrets: Record<string, string>; certs: Record<string, { key: string }> };
  const secrets = [owner, credentials.backupKey, credentials.clusterIdentity, credentials.gitKey, credentials.nasPassword, ...Object.values(bundle.secrets), ...Object.values(bundle.certs).map(({ key }) => key)];
  for (const secret of secrets) {
    assert.ok(secret && secret.length > 8);
    for (const text of said) assert.ok(!text.includes(secret), 'a secret was shown');
  }
  assert.deepEqual(readdirSync(host.scratch).filter((name) => /^(archive|read-back|etcd-|role-|bundled-)/.test(name)), [], 'what was opened is gone');
});

test('it holds what a restore needs: snapshot, bundle, configs of all nodes, LUNs, Flux, git, the folder', { timeout: 120_000 }, async () => {
  const { signer } = (await readLock(facts.lockFile)).backup!;
  const file = join(rehearsal.cluster.folder, 'backups', done.name);
  const archive: Archive = await openArchive(host, file, { identities: [owner], folder: join(host.scratch, 'opened'), cluster: 'gandalf', signer });
  const read = (name: string): string => readFileSync(archive.path(name)!, 'utf8');
  assert.deepEqual(archive.names('machines/'), rehearsal.cluster.nodes.map(({ name }) => `machines/${name}.yaml`));
  for (const { name } of rehearsal.cluster.nodes) assert.ok(read(`machines/${name}.yaml`).includes(`hostname: ${name}`));
  assert.equal((parse(read('bundle.yaml')) as { cluster: { id: string } }).cluster.id, archive.manifest.clusterId);
  assert.deepEqual(archive.names('cluster/'), ['cluster.yaml', 'credentials.sops.yaml', 'firstlight.lock.yaml', 'secrets.sops.yaml'].map((name) => `cluster/${name}`));
  assert.match(read('cluster/firstlight.lock.yaml'), new RegExp(signer));
  const luns = (JSON.parse(read('storage.json')) as StorageView).luns;
  assert.deepEqual(luns.flatMap(({ volumes }) => volumes.map(({ claim }) => claim)), ['gitea/gitea']);
  const flux = (JSON.parse(read('flux.json')) as FluxRecord).objects;
  const { revision } = archive.manifest.git!;
  assert.ok(flux.filter(({ kind }) => kind === 'Kustomization').every((each) => each.ready && each.revision?.endsWith(revision)), JSON.stringify(flux));
  const clone = join(host.scratch, 'clone');
  await host.run({ program: 'git', args: ['clone', '--quiet', archive.path('repository.bundle')!, clone] });
  assert.equal((await host.run({ program: 'git', args: ['rev-parse', 'HEAD'], cwd: clone })).stdout.trim(), revision);
  assert.ok(readdirSync(clone).includes('clusters'));
  const counted = archive.manifest.etcd.objects.filter(({ kind }) => kind === 'secrets').reduce((sum, { count }) => sum + count, 0);
  assert.equal(counted, (await getObjects(host, facts.kubeconfig, ['secrets', '--all-namespaces'])).length);
  assert.equal(archive.manifest.etcd.bundle, 'decrypt');
});

test('it is proven from its place, a second one is signed by the same key, and the list has both', { timeout: 300_000 }, async () => {
  const second = await backup(host, createFacts(rehearsal.cluster, host.scratch), wish(), () => {});
  assert.deepEqual([second.made, second.manifest.signer], [false, done.manifest.signer]);
  const credentials = await readCredentials(host, rehearsal.cluster);
  const { archives, silent } = await listBackups(host, rehearsal.cluster, credentials);
  assert.deepEqual([archives.map(({ name }) => name), silent], [[second.name, done.name], []]);
  const verified = await verifyBackups(host, archives.map((listed) => ({ listed })), { cluster: rehearsal.cluster, credentials, identities: [owner], signer: done.manifest.signer });
  assert.deepEqual(verified.map((each) => ('verdict' in each ? [each.verdict.proof.secrets, each.verdict.proof.authority] : each.refused.message)), [['decrypt', 'ours'], ['decrypt', 'ours']]);
});

test('a place that refuses is told, and keeps the archive from no other', { timeout: 300_000 }, async () => {
  const file = join(host.scratch, 'not-a-folder');
  writeFileSync(file, '');
  const places = [...rehearsal.cluster.backup.places, { kind: 'folder' as const, name: 'stick', path: file, make: false }];
  await assert.rejects(backup(host, createFacts(rehearsal.cluster, host.scratch), { ...wish(), places }, () => {}), (error: Error & { code?: string }) => error.code === 'E_BACKUP_PLACES' && /backups has it/.test(error.message));
  assert.equal(readdirSync(join(rehearsal.cluster.folder, 'backups')).length, 3);
});
