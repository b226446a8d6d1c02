import type { Host } from '../../lib/host.ts';
import { applyObjects } from '../../gitops/kubectl.ts';

/** The namespace of what is made after a backup. */
const NAMESPACE = 'after-the-backup';

/** Work that goes on after a backup: objects that no backup and no git knows. Throws what kubectl throws. */
export async function workAfterBackup(host: Host, kubeconfig: string): Promise<void> {
  await applyObjects(host, kubeconfig, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    ...Array.from({ length: 5 }, (_, index) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `late-${index + 1}`, namespace: NAMESPACE }, data: { made: 'after the backup' } })),
  ]);
}

/** Whether an object is such work. */
export function isLate({ kind, namespace, name }: { readonly kind: string; readonly namespace: string; readonly name: string }): boolean {
  return namespace === NAMESPACE || (kind === 'Namespace' && name === NAMESPACE);
}
