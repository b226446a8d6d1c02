import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { autoscalerOf, workloadOf } from '../../../storage/memory/workloads.ts';

const MiB = 2 ** 20;

function deployment(pod: string, kind = 'Deployment', spec = 'replicas: 2'): object {
  return parse(`{ apiVersion: apps/v1, kind: ${kind}, metadata: { name: app, namespace: home }, spec: { ${spec}, template: { spec: ${pod} } } }`) as object;
}
const limited = (name: string, mib: number, more = ''): string => `{ name: ${name}, resources: { limits: { memory: ${mib}Mi } } ${more} }`;
const codes = (manifest: object): string[] => (workloadOf(manifest)?.faults ?? []).map(({ code, path }) => `${code} ${path.join('.')}`);

test('a pod takes what its containers may, or an init container if that is more', () => {
  const pod = (init: string) => `{ containers: [${limited('a', 100)}, ${limited('b', 28)}], initContainers: [${init}] }`;
  assert.deepEqual(workloadOf(deployment(pod('')))?.workload, {
    name: 'Deployment home/app', pods: 2, bytes: 128 * MiB, unlimited: 0, nodeSelector: {}, toleratesControlPlane: false, path: ['spec', 'template', 'spec', 'containers'],
  });
  assert.equal(workloadOf(deployment(pod(limited('i', 500))))?.workload.bytes, 500 * MiB);
  assert.equal(workloadOf(deployment(pod(limited('i', 50, ', restartPolicy: Always'))))?.workload.bytes, 178 * MiB, 'a sidecar runs beside them');
});

test('without a limit a container counts with its request, and is told', () => {
  const { workload } = workloadOf(deployment('{ containers: [{ name: a, resources: { requests: { memory: 64Mi } } }, { name: b }] }'))!;
  assert.deepEqual([workload.bytes, workload.unlimited], [64 * MiB, 2]);
});

test('every kind that makes pods is known, and how many', () => {
  const pod = `{ containers: [${limited('a', 1)}] }`;
  assert.equal(workloadOf(deployment(pod, 'DaemonSet'))?.workload.pods, 'each');
  assert.equal(workloadOf(deployment(pod, 'StatefulSet', 'serviceName: x'))?.workload.pods, 1);
  assert.equal(workloadOf(deployment(pod, 'Job', 'parallelism: 3'))?.workload.pods, 3);
  assert.equal(workloadOf(parse(`{ kind: CronJob, metadata: { name: c }, spec: { jobTemplate: { spec: { template: { spec: ${pod} } } } } }`))?.workload.name, 'CronJob default/c');
  assert.equal(workloadOf(parse(`{ kind: Pod, metadata: { name: p }, spec: ${pod} }`))?.workload.bytes, MiB);
  assert.equal(workloadOf(parse('{ kind: ConfigMap, metadata: { name: c } }')), undefined);
  const [target, most] = autoscalerOf(parse('{ kind: HorizontalPodAutoscaler, metadata: { name: h, namespace: home }, spec: { maxReplicas: 7, scaleTargetRef: { kind: Deployment, name: app } } }'))!;
  assert.equal(workloadOf(deployment(pod), (each) => (each === target ? most : undefined))?.workload.pods, 7);
});

test('control planes are tolerated by key, or by tolerating everything', () => {
  const tolerating = (toleration: string): boolean | undefined => workloadOf(deployment(`{ containers: [${limited('a', 1)}], tolerations: [${toleration}] }`))?.workload.toleratesControlPlane;
  assert.equal(tolerating('{ key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule }'), true);
  assert.equal(tolerating('{ operator: Exists }'), true);
  assert.equal(tolerating('{ key: other, operator: Exists }'), false);
  assert.equal(tolerating('{ operator: Exists, effect: NoExecute }'), false);
});

test('a volume in memory needs a size, and who mounts it a limit above it', () => {
  const pod = (emptyDir: string, container: string): object => deployment(`{ containers: [{ name: a, volumeMounts: [{ name: m, mountPath: /m }] ${container} }], volumes: [{ name: other, emptyDir: {} }, { name: m, emptyDir: ${emptyDir} }] }`);
  const limit = ', resources: { limits: { memory: 128Mi } }';
  const at = 'spec.template.spec';
  assert.deepEqual(codes(pod('{ medium: Memory, sizeLimit: 64Mi }', limit)), []);
  assert.deepEqual(codes(pod('{ medium: Memory }', limit)), [`E_MEMORY_VOLUME_SIZE ${at}.volumes.1`]);
  assert.deepEqual(codes(pod('{ medium: Memory, sizeLimit: 64Mi }', '')), [`E_MEMORY_VOLUME_LIMIT ${at}.containers.0`]);
  assert.deepEqual(codes(pod('{ medium: Memory, sizeLimit: 128Mi }', limit)), [`E_MEMORY_VOLUME_LARGE ${at}.containers.0`]);
  assert.deepEqual(codes(pod('{ sizeLimit: 1Gi }', '')), [], 'on the card, not in memory');
});
