import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { keepBefore, keepSource, openSource, readBefore, recoveryFolder } from '../../../bootstrap/recovery/keep.ts';
import { sandboxes } from '../../../bootstrap/recovery/before.ts';
import { missingObjects, missingWorkloads } from '../../../bootstrap/recovery/lost.ts';
import type { Bundle } from '../../../talos/secrets.ts';
import { testHost } from '../../support/host.ts';
import { exampleCluster } from '../../talos/example.ts';

const host = testHost();
const folder = mkdtempSync(join(tmpdir(), 'firstlight-keep-'));
const cluster = exampleCluster(folder);
const bundleOf = (secret: string): Bundle => ({ text: `cluster:\n  id: one\n  secret: ${secret}\n`, clusterId: 'one', osCa: '', kubernetesCa: '' });
const bundle = bundleOf(randomBytes(32).toString('base64'));
after(() => { host.remove(); rmSync(folder, { recursive: true }); });

test('a snapshot is kept encrypted, and comes back only as it was, with the same bundle', async () => {
  const plain = join(host.scratch, 'plain');
  const content = Buffer.concat([Buffer.from('canary-in-the-snapshot'), randomBytes(200_000)]);
  writeFileSync(plain, content);
  const source = await keepSource(cluster, 'cp-1', bundle, plain, 'copy');
  assert.equal(source.from, 'copy');
  assert.equal(source.file, join(recoveryFolder(cluster, 'cp-1'), 'etcd.snapshot.age'));
  assert.equal(statSync(source.file).mode & 0o777, 0o600);
  const sealed = readFileSync(source.file);
  assert.ok(sealed.toString('latin1').startsWith('age-encryption.org/v1') && !sealed.includes('canary'));
  assert.deepEqual(readFileSync(await openSource(host, bundle, source)), content);
  await assert.rejects(openSource(host, bundleOf('c29tZSBvdGhlciBidW5kbGU='), source), { code: 'E_RECOVERY_SOURCE' });
  await assert.rejects(openSource(host, bundle, { ...source, sha256: '0'.repeat(64) }), { code: 'E_RECOVERY_SOURCE' });
  sealed[sealed.length - 5]! ^= 1;
  writeFileSync(source.file, sealed);
  await assert.rejects(openSource(host, bundle, source), { code: 'E_RECOVERY_SOURCE' });
  rmSync(source.file);
  await assert.rejects(openSource(host, bundle, source), { code: 'E_RECOVERY_SOURCE' });
});

test('what was seen before is kept beside it', async () => {
  assert.equal(await readBefore(cluster, 'cp-2'), undefined);
  const before = { running: { 'worker-1': ['apps/wiki-0'] }, known: { of: 'a backup', objects: [{ kind: 'secrets', namespace: 'a', count: 2 }] } };
  await keepBefore(cluster, 'cp-2', before);
  assert.deepEqual(await readBefore(cluster, 'cp-2'), before);
});

test('pods are read from what Talos says of its container runtime, as recorded', () => {
  const record = (JSON.parse(readFileSync(new URL('../../recorded/talos-1.11.0/cli/bootstrapped.json', import.meta.url), 'utf8')) as { name: string; stdout: string }[] | { records: { name: string; stdout: string }[] });
  const { stdout } = (Array.isArray(record) ? record : record.records).find((each) => each.name === 'containers kubernetes')!;
  assert.deepEqual(sandboxes(stdout), ['kube-system/kube-apiserver-n1', 'kube-system/kube-controller-manager-n1', 'kube-system/kube-scheduler-n1']);
});

test('what did not come back is told by kind and namespace; what passes by itself is not', () => {
  const before = [{ kind: 'secrets', namespace: 'apps', count: 14 }, { kind: 'pods', namespace: 'apps', count: 9 }, { kind: 'persistentvolumes', namespace: '', count: 2 }, { kind: 'configmaps', namespace: 'apps', count: 1 }];
  assert.deepEqual(missingObjects(before, [{ kind: 'secrets', namespace: 'apps', count: 12 }, { kind: 'configmaps', namespace: 'apps', count: 5 }]), ['2 of 14 secrets in apps', '2 of 2 persistentvolumes']);
});

test('without any list, what ran and runs no more is told by what made it', () => {
  const before = { 'w-1': ['apps/wiki-7b5d854d47-lhpht', 'kube-system/proxy-68xcs'], 'w-2': ['apps/db-0', 'gitea/gitea-0', 'by-hand/debug'] };
  const now = { 'w-1': ['apps/wiki-667fb5b64b-t5cwp'], 'w-2': ['kube-system/proxy-9ws2f', 'gitea/gitea-0'] };
  assert.deepEqual(missingWorkloads(before, now), ['apps/db ran before, and git does not make it', 'by-hand/debug ran before, and git does not make it']);
});
