import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { countObjects } from '../../talos/snapshot-contents.ts';
import { proveSnapshot, requireOurs, snapshotStatus, type SnapshotProof } from '../../talos/snapshot.ts';
import { toolPrograms, testHost } from '../support/host.ts';
import { exampleCluster } from './example.ts';
import { makeSnapshot, sealed, type Made } from './snapshot-made.ts';

const skip = toolPrograms().has('etcdutl') ? false : 'needs etcd';
const host = testHost();
const key = randomBytes(32);
const CA = '-----BEGIN CERTIFICATE-----\nMIIours\n-----END CERTIFICATE-----\n';
const bundle = { text: bundleWith(key), kubernetesCa: CA };
const CANARY = 'canary-of-a-secret-9f2';
let made: Made;
let proof: SnapshotProof;

function bundleWith(secretbox: Uint8Array): string {
  return `secrets:\n  secretboxencryptionsecret: ${Buffer.from(secretbox).toString('base64')}\n`;
}

before(async () => {
  if (skip) return;
  made = await makeSnapshot(host, host.scratch, {
    '/registry/namespaces/kube-system': 'k8s\0\n\x02v1 kube-system 6b8dc433-3c53-4a5a-97c9-e5834e3a48f9 more',
    '/registry/configmaps/kube-system/kube-root-ca.crt': `k8s\0 ca.crt ${CA} and so on`,
    '/registry/minions/cp-1': 'k8s\0node',
    '/registry/health': '{"health":"true"}',
    '/registry/events/default/gone': 'k8s\0event',
    ...Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`/registry/secrets/apps/s-${index}`, sealed(CANARY, key)])),
  });
  proof = await proveSnapshot(host, made.snapshot, bundle);
});
after(() => host.remove());

test('a good snapshot is proven by a real restore: what it is, what it holds, whose it is', { skip }, () => {
  const { bytes, sha256, revision, hash, keys, ...contents } = proof;
  assert.equal(bytes % 512, 32);
  assert.match(sha256, /^[0-9a-f]{64}$/);
  assert.match(hash, /^[0-9a-f]{8}$/);
  assert.equal(keys, 45);
  assert.equal(revision, 46);
  assert.deepEqual(contents, {
    kind: 'snapshot', secrets: 'decrypt', authority: 'ours', nodes: ['cp-1'], uid: '6b8dc433-3c53-4a5a-97c9-e5834e3a48f9',
    objects: [{ kind: 'configmaps', namespace: 'kube-system', count: 1 }, { kind: 'namespaces', namespace: '', count: 1 }, { kind: 'nodes', namespace: '', count: 1 }, { kind: 'secrets', namespace: 'apps', count: 40 }],
  });
  assert.deepEqual(readdirSync(host.scratch).filter((name) => name.startsWith('etcd-')), [], 'nothing of it stays');
  assert.ok(!JSON.stringify(host.events).includes(CANARY));
});

test('a raw copy of the database is proven too, and is no snapshot', { skip }, async () => {
  assert.deepEqual((await proveSnapshot(host, made.copy, bundle, 'copy')).objects, proof.objects);
  await assert.rejects(proveSnapshot(host, made.copy, bundle), { code: 'E_SNAPSHOT_CUT' });
  await assert.rejects(proveSnapshot(host, made.snapshot, bundle, 'copy'), { code: 'E_SNAPSHOT_CUT' });
});

test('another bundle does not open its Secrets, another cluster is told', { skip }, async () => {
  const foreign = await proveSnapshot(host, made.snapshot, { text: bundleWith(randomBytes(32)), kubernetesCa: CA.replace('ours', 'else') });
  assert.equal(foreign.secrets, 'wrong bundle');
  assert.equal(foreign.authority, 'another');
  const cluster = exampleCluster('/nowhere');
  requireOurs(cluster, 'f', proof);
  assert.throws(() => requireOurs(cluster, 'f', foreign), { code: 'E_SNAPSHOT_BUNDLE' });
  assert.throws(() => requireOurs(cluster, 'f', { ...proof, authority: 'another' }), { code: 'E_SNAPSHOT_OTHER_CLUSTER' });
  assert.throws(() => requireOurs(cluster, 'f', { ...proof, nodes: ['frodo'] }), { code: 'E_SNAPSHOT_OTHER_CLUSTER' });
});

test('a byte flipped anywhere, a file cut anywhere, text, nothing: each is refused before anything is restored', { skip }, async () => {
  const whole = readFileSync(made.snapshot);
  const file = join(host.scratch, 'damaged');
  const refused = async (bytes: Uint8Array, code: RegExp, why: string): Promise<void> => {
    writeFileSync(file, bytes);
    await assert.rejects(snapshotStatus(host, file, 'snapshot'), (error: { code?: string; hint?: string }) => code.test(error.code ?? '') && error.hint !== '', why);
  };
  for (let turn = 0; turn < 60; turn += 1) {
    const at = Math.floor(Math.random() * whole.length);
    const flipped = Buffer.from(whole);
    flipped[at] = flipped[at]! ^ (1 << (turn % 8));
    await refused(flipped, /^E_SNAPSHOT_DIGEST$/, `byte ${at}`);
    await refused(whole.subarray(0, at), /^E_SNAPSHOT_CUT$|^E_SNAPSHOT_DIGEST$/, `cut at ${at}`);
  }
  await refused(whole.subarray(0, whole.length - 512), /^E_SNAPSHOT_DIGEST$/, 'one sector less');
  await refused(Buffer.from('not a snapshot at all'), /^E_SNAPSHOT_CUT$/, 'text');
  await refused(Buffer.alloc(0), /^E_SNAPSHOT_CUT$/, 'nothing');
  await assert.rejects(snapshotStatus(host, join(host.scratch, 'nowhere'), 'snapshot'), { code: 'E_SNAPSHOT_MISSING' });
});

test('a copy without a digest is held to its structure: garbage, a lost page and half a database are refused', { skip }, async () => {
  const whole = readFileSync(made.copy);
  const file = join(host.scratch, 'damaged.db');
  for (const bytes of [randomBytes(8192), Buffer.concat([whole.subarray(0, 8192), Buffer.alloc(whole.length - 8192)]), whole.subarray(0, 8192)]) {
    writeFileSync(file, bytes);
    await assert.rejects(proveSnapshot(host, file, bundle, 'copy'), (error: { code?: string }) => /^E_SNAPSHOT_/.test(error.code ?? ''));
  }
});

test('objects are counted by kind and namespace, as kube-apiserver names its keys', () => {
  assert.deepEqual(countObjects([
    '/registry/services/specs/default/kubernetes', '/registry/services/endpoints/default/kubernetes', '/registry/pods/a/x', '/registry/pods/a/y', '/registry/pods/b/z', '/registry/ranges/serviceips',
    '/registry/kustomize.toolkit.fluxcd.io/kustomizations/flux-system/apps', '/registry/apiextensions.k8s.io/customresourcedefinitions/x.y', '/registry/masterleases/10.0.0.1', '/registry/persistentvolumes/pv-1', '/registry/health', '/registry/events/a/b',
  ]).map(({ kind, namespace, count }) => `${kind} ${namespace} ${count}`), [
    'customresourcedefinitions.apiextensions.k8s.io  1', 'endpoints default 1', 'kustomizations.kustomize.toolkit.fluxcd.io flux-system 1', 'persistentvolumes  1', 'pods a 2', 'pods b 1', 'services default 1',
  ]);
});
