import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { jobManifests, keysSecret, type Bucket } from '../../../gitops/backup-job.ts';
import { createAuthority } from '../../../lab/pi/tls.ts';
import { eventually, startControlPlane, testHost } from './control-plane.ts';
import { selfMadeMaterial } from './material.ts';

const bucket: Bucket = { kind: 's3', name: 'offsite', bucket: 'homelab', prefix: '', region: 'us-east-1' };
const recipients = [{ name: 'laptop', role: 'owner' as const, key: 'age1laptop' }, { name: 'paper', role: 'offline' as const, key: 'age1paper' }];

test('a real API server takes the snapshots’ job, its pods keep the strictest rules, and Talos gives it a talosconfig with that role alone', { timeout: 120_000 }, async (t) => {
  const host = testHost();
  const osCa = await createAuthority('talos', 24);
  const material = { ...await selfMadeMaterial('cp-1', '127.101.22.11'), talosAccess: { osCa, roles: ['os:etcd:backup'], namespaces: ['etcd-backup'] } };
  const cp = await startControlPlane(material, host, { kind: 'new' });
  t.after(() => cp.stop());
  await eventually(host, 'the kind of Talos is there', async () => (await cp.kubectl('api-resources', '--api-group=talos.dev', '-o', 'name')).trim(), /serviceaccounts.talos.dev/);

  const manifests = { ...jobManifests({ name: 'gandalf', secrets: { recipients } }, bucket, {}, 'PEM'), 'keys.yaml': keysSecret({ accessKeyId: 'key', secretAccessKey: 'secret' }) };
  const greedy = { apiVersion: 'talos.dev/v1alpha1', kind: 'ServiceAccount', metadata: { name: 'greedy', namespace: 'etcd-backup' }, spec: { roles: ['os:admin'] } };
  const file = join(host.scratch, 'job.yaml');
  writeFileSync(file, [...Object.values(manifests), greedy].map((each) => stringify(each)).join('---\n'));
  await cp.kubectl('apply', '--server-side', '--validate=strict', '-f', file);

  const config = async (): Promise<string> => Buffer.from(await cp.kubectl('-n', 'etcd-backup', 'get', 'secret', 'etcd-backup', '--ignore-not-found', '-o', 'jsonpath={.data.config}'), 'base64').toString();
  await eventually(host, 'the Secret with the talosconfig is there', config, /context: gandalf/);
  const { contexts } = parse(await config()) as { contexts: Record<string, { crt: string }> };
  assert.equal(new X509Certificate(Buffer.from(contexts['gandalf']!.crt, 'base64')).subject, 'O=os:etcd:backup');
  await eventually(host, 'the other account is refused', () => cp.kubectl('-n', 'etcd-backup', 'get', 'tsa', 'greedy', '-o', 'jsonpath={.status.failureReason}'), /os:admin are not allowed/);
  assert.equal(await cp.kubectl('-n', 'etcd-backup', 'get', 'secret', 'greedy', '--ignore-not-found'), '');

  await eventually(host, 'its namespace has a service account', () => cp.kubectl('-n', 'etcd-backup', 'get', 'sa', '-o', 'name'), /default/);
  await cp.kubectl('-n', 'etcd-backup', 'create', 'job', 'now', '--from=cronjob/etcd-backup');
  await eventually(host, 'PodSecurity lets the job make its pod', () => cp.kubectl('-n', 'etcd-backup', 'get', 'pods', '-o', 'jsonpath={.items[*].spec.containers[*].name}'), /laptop paper/);
});
