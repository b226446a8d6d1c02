import type { KubeClient, KubeObject } from '../client.ts';

/** Notes an event at an object (a Pod unless it says otherwise), as a kubelet or `component` would. Failures are let go. */
export async function tellEvent(client: KubeClient, object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string, component = 'kubelet'): Promise<void> {
  const { apiVersion = 'v1', kind = 'Pod', metadata: { name, namespace, uid } } = object;
  const now = new Date().toISOString();
  await client.create(`/api/v1/namespaces/${namespace}/events`, {
    apiVersion: 'v1', kind: 'Event', metadata: { generateName: `${name}.`, namespace }, type, reason, message, count: 1, firstTimestamp: now, lastTimestamp: now,
    involvedObject: { apiVersion, kind, name, namespace, uid }, source: { component },
  }).catch(() => {});
}
