import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterNode } from '../../../nodes/cluster.ts';
import { fitPods, indispensable } from '../../../storage/memory/fit.ts';
import { bytesOf, readable } from '../../../storage/memory/quantity.ts';
import type { Workload } from '../../../storage/memory/workloads.ts';

const GiB = 2 ** 30;
const node = (name: string, role: ClusterNode['role'], more: Partial<ClusterNode> = {}): ClusterNode => ({ name, role, mac: '', address: '', proof: 'stamp', labels: {}, ...more });
const NODES = [node('cp', 'control plane'), node('w1', 'worker'), node('w2', 'worker', { labels: { disk: 'fast' } }), node('w3', 'worker', { memory: 3 * GiB })];
const work = (name: string, gib: number, more: Partial<Workload> = {}): Workload => ({ name, pods: 1, bytes: gib * GiB, unlimited: 0, nodeSelector: {}, toleratesControlPlane: false, path: [], ...more });
const taken = (workloads: Workload[], nodes = NODES): string => fitPods(nodes, workloads).loads.map((load) => load.taken / GiB).join(' ');
const homeless = (workloads: Workload[], nodes = NODES): string => fitPods(nodes, workloads).homeless.map(({ name }) => name).join(' ');

test('pods are spread over the workers with room; control planes are left alone', () => {
  assert.equal(taken([work('a', 2, { pods: 3 })]), '0 2 2 2');
  assert.equal(taken([work('a', 2, { pods: 5 })]), '0 4 4 2');
  assert.equal(homeless([work('a', 4, { pods: 2 })]), '');
  assert.equal(homeless([work('a', 4, { pods: 3 })]), 'a', 'the third would have to go to w3, which gives 3 GiB');
});

test('a DaemonSet takes its part of every node it may run on', () => {
  assert.equal(taken([work('d', 1, { pods: 'each' })]), '0 1 1 1');
  assert.equal(taken([work('d', 1, { pods: 'each', toleratesControlPlane: true })]), '1 1 1 1');
  assert.equal(homeless([work('d', 4, { pods: 'each' })]), 'd');
  assert.equal(homeless([work('d', 2, { pods: 'each' }), work('a', 6)]), 'a');
});

test('a workload goes only to nodes it is meant for', () => {
  assert.equal(taken([work('a', 2, { pods: 2, nodeSelector: { disk: 'fast' } })]), '0 0 4 0');
  assert.equal(taken([work('a', 1, { nodeSelector: { 'kubernetes.io/hostname': 'w3' } })]), '0 0 0 1');
  assert.equal(homeless([work('a', 4, { nodeSelector: { 'kubernetes.io/hostname': 'w3' } })]), 'a');
  assert.equal(homeless([work('a', 40, { nodeSelector: { disk: 'none such' } })]), '', 'it stays Pending for another reason');
});

test('without workers the control planes carry the pods', () => {
  assert.equal(taken([work('a', 2)], [NODES[0]!]), '2');
  assert.equal(homeless([work('a', 7)], [NODES[0]!]), 'a');
});

test('the workers that cannot be missed are named', () => {
  assert.deepEqual(indispensable(NODES, [work('a', 2, { pods: 3 })]), []);
  assert.deepEqual(indispensable(NODES, [work('a', 6), work('b', 5)]), ['w1', 'w2']);
  assert.deepEqual(indispensable(NODES, [work('a', 6), work('b', 1, { nodeSelector: { 'kubernetes.io/hostname': 'w1' } })]), [], 'what is tied to a node goes with it');
});

test('quantities are read as Kubernetes reads them', () => {
  for (const [text, bytes] of [['128Mi', 128 * 2 ** 20], ['1.5Gi', 1.5 * GiB], ['100M', 1e8], ['1e3', 1000], ['1E', 1e18], ['500m', 1], ['64', 64], ['.5Ki', 512]] as const) assert.equal(bytesOf(text), bytes, text);
  for (const text of ['', '1GB', 'Mi', '-1Mi', '${SIZE}', undefined, {}]) assert.equal(bytesOf(text), undefined, String(text));
  assert.deepEqual([readable(512 * 2 ** 20), readable(1.25 * GiB)], ['512 MiB', '1.3 GiB']);
});
