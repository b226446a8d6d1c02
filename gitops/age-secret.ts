import type { Host } from '../lib/host.ts';
import { applyObjects, getObjects, secretValue } from './kubectl.ts';
import { done, needed, type Observation } from './observation.ts';

/** Flux's namespace (fluxcd/flux2: pkg/manifestgen/install). */
export const FLUX_NAMESPACE = 'flux-system';

/** The Secret that every Kustomization's `decryption.secretRef` names; its keys must end with `.agekey` (fluxcd/kustomize-controller: internal/decryptor). */
export const AGE_SECRET = { name: 'sops-age', key: 'age.agekey' } as const;

/** Looks whether the cluster holds this age identity as Secret sops-age. Compares in here; nothing of it is told. */
export async function observeAgeSecret(host: Host, kubeconfig: string, identity: string): Promise<Observation> {
  host.mask.add(identity);
  const [secret] = await getObjects(host, kubeconfig, ['-n', FLUX_NAMESPACE, `secret/${AGE_SECRET.name}`]);
  if (!secret) return needed(`Secret ${FLUX_NAMESPACE}/${AGE_SECRET.name} is not there`);
  const held = secretValue(secret, AGE_SECRET.key)?.trim().split(/\s+/) ?? [];
  if (!held.includes(identity.trim())) return needed(`Secret ${FLUX_NAMESPACE}/${AGE_SECRET.name} holds another identity`);
  return done(`Secret ${FLUX_NAMESPACE}/${AGE_SECRET.name} holds the cluster's identity`);
}

/** Makes namespace flux-system and puts the identity into Secret sops-age, by server-side apply from standard input. */
export async function ensureAgeSecret(host: Host, kubeconfig: string, identity: string): Promise<void> {
  host.mask.add(identity);
  await applyObjects(host, kubeconfig, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: FLUX_NAMESPACE } },
    {
      apiVersion: 'v1', kind: 'Secret', type: 'Opaque',
      metadata: { name: AGE_SECRET.name, namespace: FLUX_NAMESPACE },
      data: { [AGE_SECRET.key]: Buffer.from(`${identity.trim()}\n`).toString('base64') },
    },
  ]);
}
