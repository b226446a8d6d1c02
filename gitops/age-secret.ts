import type { Host } from '../lib/host.ts';
import { applyObjects, getObjects, secretValue } from './kubectl.ts';
import { done, needed, type Observation } from './observation.ts';

/** Flux's namespace (fluxcd/flux2: pkg/manifestgen/install). */
export const FLUX_NAMESPACE = 'flux-system';

/** The Secret that every Kustomization's `decryption.secretRef` names; its keys must end with `.agekey` (fluxcd/kustomize-controller: internal/decryptor). */
export const AGE_SECRET = { name: 'sops-age', key: 'age.agekey' } as const;

/** The identities that Secret sops-age holds, undefined where it is not there; they are registered with the mask. */
export async function heldIdentities(host: Host, kubeconfig: string): Promise<readonly string[] | undefined> {
  const [secret] = await getObjects(host, kubeconfig, ['-n', FLUX_NAMESPACE, `secret/${AGE_SECRET.name}`]);
  if (!secret) return undefined;
  const held = (secretValue(secret, AGE_SECRET.key) ?? '').split('\n').map((line) => line.trim()).filter((line) => line.startsWith('AGE-SECRET-KEY-'));
  for (const identity of held) host.mask.add(identity);
  return held;
}

/** Looks whether the cluster holds these age identities as Secret sops-age. Compares in here; nothing of them is told. */
export async function observeAgeSecret(host: Host, kubeconfig: string, identities: readonly string[]): Promise<Observation> {
  for (const identity of identities) host.mask.add(identity);
  const held = await heldIdentities(host, kubeconfig);
  if (!held) return needed(`Secret ${FLUX_NAMESPACE}/${AGE_SECRET.name} is not there`);
  const missing = identities.filter((identity) => !held.includes(identity.trim()));
  if (missing.length > 0) return needed(`Secret ${FLUX_NAMESPACE}/${AGE_SECRET.name} holds another identity`);
  return done(`Secret ${FLUX_NAMESPACE}/${AGE_SECRET.name} holds the cluster's identity`);
}

/** Makes namespace flux-system and puts the identities, and no others, into Secret sops-age, by server-side apply from standard input. */
export async function ensureAgeSecret(host: Host, kubeconfig: string, identities: readonly string[]): Promise<void> {
  for (const identity of identities) host.mask.add(identity);
  await applyObjects(host, kubeconfig, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: FLUX_NAMESPACE } },
    {
      apiVersion: 'v1', kind: 'Secret', type: 'Opaque',
      metadata: { name: AGE_SECRET.name, namespace: FLUX_NAMESPACE },
      data: { [AGE_SECRET.key]: Buffer.from(identities.map((identity) => `${identity.trim()}\n`).join('')).toString('base64') },
    },
  ]);
}
