import type { Host } from '../lib/host.ts';
import type { Gitops } from '../nodes/cluster.ts';
import { publicHalf } from './agent.ts';
import { FLUX_NAMESPACE } from './age-secret.ts';
import { applyObjects, secretValue, type KubeObject } from './kubectl.ts';
import { knownHostsLine } from './remote.ts';

/** The Secret with which Flux reaches the repository (fluxcd/flux2: `flux bootstrap --secret-name`, whose default it is). */
export const SOURCE_SECRET = 'flux-system';

/**
 * Makes namespace flux-system and the source Secret with the pinned host key before the bootstrap. The CLI of Flux would
 * write whatever key it scans; finding the Secret there, and no key file among its arguments, it keeps ours
 * (fluxcd/flux2: pkg/bootstrap/bootstrap_plain_git.go, ReconcileSourceSecret). Throws `E_GIT_KEY` and what kubectl throws.
 */
export async function applySourceSecret(host: Host, kubeconfig: string, gitops: Gitops, privateKey: string): Promise<void> {
  host.mask.add(privateKey);
  const values = { identity: `${privateKey.trim()}\n`, 'identity.pub': `${publicHalf(privateKey)}\n`, known_hosts: `${knownHostsLine(gitops)}\n` };
  const data = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  for (const secret of [data['identity'] ?? '']) host.mask.add(secret);
  await applyObjects(host, kubeconfig, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: FLUX_NAMESPACE } },
    { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { name: SOURCE_SECRET, namespace: FLUX_NAMESPACE }, data },
  ]);
}

/** Whether the Secret in the cluster trusts the pinned host key and no other. */
export function trustsPinnedKey(secret: KubeObject | undefined, gitops: Gitops): boolean {
  const lines = (secretValue(secret, 'known_hosts') ?? '').split('\n').map((line) => line.trim()).filter(Boolean);
  const pinned = knownHostsLine(gitops);
  return lines.length > 0 && lines.every((line) => line.split(/\s+/).slice(0, 3).join(' ') === pinned);
}
