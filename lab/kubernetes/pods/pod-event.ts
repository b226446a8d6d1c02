import type { KubeClient } from '../client.ts';
import type { Pod } from './pod-object.ts';

/** Notes an event at the pod, as a kubelet would. Failures are let go. */
export async function tellEvent(client: KubeClient, pod: Pod, host: string, type: 'Normal' | 'Warning', reason: string, message: string): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  const now = new Date().toISOString();
  await client.create(`/api/v1/namespaces/${namespace}/events`, {
    apiVersion: 'v1', kind: 'Event', metadata: { generateName: `${name}.`, namespace }, type, reason, message, count: 1, firstTimestamp: now, lastTimestamp: now,
    involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid }, source: { component: 'kubelet', host: pod.spec.nodeName ?? host },
  }).catch(() => {});
}
