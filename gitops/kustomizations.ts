import { createHash, timingSafeEqual } from 'node:crypto';
import type { Host } from '../lib/host.ts';
import type { Cluster } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { FLUX_NAMESPACE } from './age-secret.ts';
import { CSI, clientInfo } from './client-info.ts';
import { condition, getObjects, kubectl, secretValue, type KubeObject } from './kubectl.ts';
import { done, needed, type Observation } from './observation.ts';
import { gitopsOf } from './repository.ts';

const KUSTOMIZATIONS = 'kustomizations.kustomize.toolkit.fluxcd.io';
const GIT_REPOSITORIES = 'gitrepositories.source.toolkit.fluxcd.io';

/** A Kustomization as Flux sees it. `message` says why it is not ready, or what was applied; `failed`: Flux tried, could not, and waits until it tries again. */
export type KustomizationState = { readonly name: string; readonly ready: boolean; readonly message: string; readonly failed?: boolean };

/**
 * Every Kustomization of the cluster: ready means not suspended, Ready for its newest generation and, where its source is
 * the bootstrapped repository, applied at `revision` (40 hex digits). flux-system's own is in the list even when missing.
 */
export async function observeKustomizations(host: Host, cluster: Cluster, kubeconfig: string, revision: string): Promise<readonly KustomizationState[]> {
  const wanted = `${gitopsOf(cluster).branch}@${revision.length === 64 ? 'sha256' : 'sha1'}:${revision}`;
  const found = await getObjects(host, kubeconfig, [KUSTOMIZATIONS, '--all-namespaces']);
  const states = found.map((object) => stateOf(object, wanted));
  if (!states.some((state) => state.name === FLUX_NAMESPACE)) states.unshift({ name: FLUX_NAMESPACE, ready: false, message: 'is not there yet' });
  return states;
}

/**
 * Asks Flux to look at the repository and its Kustomizations (those of flux-system that are named; all unless told) now, not at their
 * next interval (annotation `reconcile.fluxcd.io/requestedAt`).
 */
export async function reconcileNow(host: Host, kubeconfig: string, names: readonly string[] = ['--all']): Promise<void> {
  const request = `reconcile.fluxcd.io/requestedAt=${new Date(host.clock.now()).toISOString()}`;
  const common = ['-n', FLUX_NAMESPACE, '--overwrite', '--field-manager=flux-client-side-apply', request];
  await fetchNow(host, kubeconfig);
  await kubectl(host, kubeconfig, ['annotate', KUSTOMIZATIONS, ...names, ...common]);
}

/**
 * Asks Flux to fetch the repository now. It does not watch the Secret it fetches with: after a failure it would try a new host key or git
 * key only by and by, up to 15 minutes later (fluxcd/source-controller: gitrepository_controller.go, its predicates and rate limiter). Gives
 * what `status.lastHandledReconcileAt` is when it has. Throws what `kubectl` throws.
 */
export async function fetchNow(host: Host, kubeconfig: string): Promise<string> {
  const at = new Date(host.clock.now()).toISOString();
  await kubectl(host, kubeconfig, ['annotate', `${GIT_REPOSITORIES}/${FLUX_NAMESPACE}`, '-n', FLUX_NAMESPACE, '--overwrite', '--field-manager=flux-client-side-apply', `reconcile.fluxcd.io/requestedAt=${at}`]);
  return at;
}

/** Looks whether Flux has decrypted the CSI credentials into the cluster: hashes are compared, nothing of them is told. */
export async function observeSecretDelivered(host: Host, cluster: Cluster, credentials: Credentials, kubeconfig: string): Promise<Observation> {
  const name = `${CSI.namespace}/${CSI.secret}`;
  if (credentials.nasPassword) host.mask.add(credentials.nasPassword);
  const wanted = clientInfo(cluster, credentials);
  const [secret] = await getObjects(host, kubeconfig, ['-n', CSI.namespace, `secret/${CSI.secret}`]);
  const held = secretValue(secret, CSI.key);
  if (held === undefined) return needed(`Secret ${name} is not in the cluster yet`);
  if (held.startsWith('ENC[')) return needed(`Secret ${name} was applied without being decrypted`);
  if (!timingSafeEqual(digest(held), digest(wanted))) return needed(`Secret ${name} holds other credentials than the inventory`);
  return done(`Secret ${name} is there, decrypted`);
}

function stateOf(object: KubeObject, wanted: string): KustomizationState {
  const { name: plain, namespace } = object.metadata;
  const name = namespace === FLUX_NAMESPACE ? plain : `${namespace}/${plain}`;
  const { met, message, failed } = condition(object);
  const applied = object.status?.lastAppliedRevision;
  if (object.spec?.['suspend'] === true) return { name, ready: false, message: 'is suspended; resume it with `flux resume kustomization`' };
  if (!met) return { name, ready: false, message, ...(failed ? { failed } : {}) };
  if (fromBootstrap(object) && applied !== wanted) return { name, ready: false, message: `applied ${applied ?? 'nothing'}, not yet ${wanted}` };
  return { name, ready: true, message };
}

function fromBootstrap(object: KubeObject): boolean {
  const source = object.spec?.['sourceRef'] as { kind?: string; name?: string; namespace?: string } | undefined;
  const namespace = source?.namespace ?? object.metadata.namespace;
  return source?.kind === 'GitRepository' && source.name === FLUX_NAMESPACE && namespace === FLUX_NAMESPACE;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
