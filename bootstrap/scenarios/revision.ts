import type { Host } from '../../lib/host.ts';
import { kubectl } from '../../gitops/kubectl.ts';

/** etcd's revision, as the API server tells it with a list. Throws what kubectl throws. */
export async function revisionOf(host: Host, kubeconfig: string): Promise<number> {
  const text = await kubectl(host, kubeconfig, ['get', '--raw', '/api/v1/namespaces?limit=1']);
  return Number((JSON.parse(text) as { metadata?: { resourceVersion?: string } }).metadata?.resourceVersion ?? 0);
}
