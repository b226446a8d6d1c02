import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SUSPENDABLE_PREFIXES, SUSPENDED_ANNOTATION, suspendedInEtcd } from '../../gitops/flux-suspend.ts';
import { judgeStale, type Seen } from '../../gitops/stale.ts';

const NOW = Date.parse('2026-11-23T08:00:00Z');
const DECLARED = ['cp-1', 'w-1', 'w-2'];

function object(kind: string, name: string, more: object = {}, spec: object = {}): Seen['nodes'][number] {
  return { kind, metadata: { name, ...more }, spec: { ...spec } };
}

const lease = (name: string, secondsAgo: number) => object('Lease', name, { namespace: 'kube-node-lease' }, { renewTime: new Date(NOW - secondsAgo * 1000).toISOString().replace('Z', '000Z') });

test('what hangs on machines that are no more is stale; a node that beats is not, declared or not', () => {
  const { stale, strangers } = judgeStale({
    nodes: [...DECLARED, 'ghost', 'guest', 'odd'].map((name) => object('Node', name)),
    leases: [lease('cp-1', 5), lease('w-1', 5), lease('w-2', 5), lease('ghost', 4000), lease('guest', 8), lease('gone', 4000)],
    attachments: [object('VolumeAttachment', 'va-1', {}, { nodeName: 'w-1' }), object('VolumeAttachment', 'va-2', {}, { nodeName: 'ghost' }), object('VolumeAttachment', 'va-3', {}, { nodeName: 'gone' }), object('VolumeAttachment', 'va-4', { deletionTimestamp: 'x' }, { nodeName: 'gone' })],
    pods: [object('Pod', 'a', { namespace: 'apps' }, { nodeName: 'w-1' }), object('Pod', 'b', { namespace: 'apps', deletionTimestamp: 'x' }, { nodeName: 'gone' }), object('Pod', 'c', { namespace: 'apps' }, {}), object('Pod', 'd', { namespace: 'apps' }, { nodeName: 'guest' })],
  }, DECLARED, NOW);
  assert.deepEqual(strangers, ['guest']);
  assert.deepEqual(stale.map(({ kind, name }) => `${kind} ${name}`), ['node ghost', 'node odd', 'volumeattachment va-2', 'volumeattachment va-3', 'pod b', 'lease ghost', 'lease gone']);
});

test('a desk whose clock is ahead takes no living machine for dead: the clocks that count are the kubelets’', () => {
  const seen: Seen = { nodes: [...DECLARED, 'guest', 'ghost'].map((name) => object('Node', name)), leases: [...DECLARED, 'guest'].map((name) => lease(name, 3)).concat(lease('ghost', 4000)), attachments: [], pods: [] };
  const { stale, strangers } = judgeStale(seen, DECLARED, NOW + 3_600_000);
  assert.deepEqual([strangers, stale.map(({ kind, name }) => `${kind} ${name}`)], [['guest'], ['node ghost', 'lease ghost']]);
});

test('nothing of a cluster where all is well is stale', () => {
  const seen: Seen = { nodes: DECLARED.map((name) => object('Node', name)), leases: DECLARED.map((name) => lease(name, 3)), attachments: [object('VolumeAttachment', 'va', {}, { nodeName: 'w-2' })], pods: [object('Pod', 'a', { namespace: 'x' }, { nodeName: 'cp-1' })] };
  assert.deepEqual(judgeStale(seen, DECLARED, NOW), { stale: [], strangers: [] });
});

test('an object of Flux is suspended as it lies in etcd, and marked; one that its owner suspended stays unmarked; others stay as they are', () => {
  const plain = { apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', metadata: { name: 'apps', annotations: { mine: 'yes' } }, spec: { prune: true, suspend: false } };
  const changed = JSON.parse(suspendedInEtcd(JSON.stringify(plain))!) as { metadata: { annotations: Record<string, string> }; spec: object };
  assert.deepEqual(changed.spec, { prune: true, suspend: true });
  assert.deepEqual(Object.keys(changed.metadata.annotations), ['mine', SUSPENDED_ANNOTATION]);
  assert.equal(suspendedInEtcd(JSON.stringify({ ...plain, spec: { suspend: true } })), undefined);
  assert.equal(suspendedInEtcd('k8s:enc:secretbox:v1:key2:…'), undefined);
  assert.equal(suspendedInEtcd('null'), undefined);
  assert.ok(SUSPENDABLE_PREFIXES.includes('/registry/helm.toolkit.fluxcd.io/helmreleases/'));
});
