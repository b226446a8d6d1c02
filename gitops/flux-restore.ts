import { parseAllDocuments } from 'yaml';
import { problem } from '../lib/errors.ts';
import { waitFor } from '../lib/conditions.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster, Gitops } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { readFluxManifests, type FluxManifests } from './flux-manifests.ts';
import { missingParts, plainPath, readFlux, refuseConflicts } from './flux-state.ts';
import { applyManifests, condition, getObjects } from './kubectl.ts';
import { gitopsOf, openRepository, requireGitKey } from './repository.ts';
import { applySourceSecret } from './source-secret.ts';

/** Milliseconds until the controllers run: their images come over the owner's line. */
const DEADLINE_MS = 15 * 60_000;

/**
 * Brings Flux back from what an earlier bootstrap left in the repository, with its owner's patches, and writes nothing to git: namespace and source
 * Secret, the controllers, then, when the API server knows their kinds, the sync. Gives the version of Flux. Throws
 * `E_FLUX_NO_MANIFESTS`, `E_FLUX_SYNC` (the repository's sync is for another place), what `refuseConflicts` throws, `E_GIT_…`, `E_KUBE_…`.
 */
export async function restoreFlux(host: Host, cluster: Cluster, credentials: Credentials, kubeconfig: string, pinned?: string): Promise<string> {
  const gitops = gitopsOf(cluster);
  const key = requireGitKey(credentials);
  const [state, { folder }] = await Promise.all([readFlux(host, kubeconfig), openRepository(host, cluster, credentials)]);
  const manifests = await readFluxManifests(folder, gitops);
  if (!manifests) {
    throw problem('E_FLUX_NO_MANIFESTS', `the repository has no manifests of Flux in ${gitops.path}/flux-system yet, so there is nothing to bring back`, 'Leave --offline out: a bootstrap writes them, and pushes.');
  }
  refuseConflicts(state, gitops, { comes: manifests.version, cluster: state.version, repository: undefined, pinned }, 'offline');
  const { parts, sync } = await rendered(host, manifests);
  refuseForeignSync(gitops, sync);
  const tell = (message: string): void => host.emit({ code: 'flux.progress', message });
  await applySourceSecret(host, kubeconfig, gitops, key);
  tell(`applying Flux ${manifests.version} from ${gitops.path}/flux-system`);
  await applyManifests(host, kubeconfig, parts);
  await kindsKnown(host, kubeconfig);
  tell('applying the sync with the repository');
  await applyManifests(host, kubeconfig, sync);
  await waitFor({
    name: 'Flux runs and follows the repository', deadlineMs: DEADLINE_MS, everyMs: 1_000, hint: 'See `kubectl -n flux-system get pods`; running again goes on from there.',
    look: async () => {
      const missing = missingParts(await readFlux(host, kubeconfig), gitops);
      return missing.length === 0 ? { met: true, value: true } : { met: false, seen: missing.join('; ') };
    },
  }, host);
  return manifests.version;
}

/** The controllers and the sync, each as one YAML text: as the kustomization.yaml beside them says, where there is one. */
async function rendered(host: Host, manifests: FluxManifests): Promise<{ readonly parts: string; readonly sync: string }> {
  const { folder, kustomized, components, sync } = manifests;
  const whole = kustomized ? (await host.run({ program: 'kubectl', args: ['kustomize', folder], timeoutMs: 60_000 })).stdout : `${components}\n---\n${sync}`;
  const documents = whole.split(/^---\s*$/m).filter((text) => /^kind:/m.test(text));
  const isSync = (text: string): boolean => /^apiVersion: (source|kustomize)\.toolkit\.fluxcd\.io\//m.test(text);
  return { parts: documents.filter((text) => !isSync(text)).join('---\n'), sync: documents.filter(isSync).join('---\n') };
}

/** The sync is taken as it stands, so it has to follow the inventory's repository, branch and folder. */
function refuseForeignSync(gitops: Gitops, sync: string): void {
  type Sync = { readonly kind?: string; readonly metadata?: { readonly name?: string }; readonly spec?: { readonly url?: string; readonly ref?: { readonly branch?: string }; readonly path?: string } };
  const objects = parseAllDocuments(sync).map((document) => document.toJS() as Sync | null);
  const spec = (kind: string): Sync['spec'] => objects.find((object) => object?.kind === kind && object.metadata?.name === 'flux-system')?.spec;
  const [source, kustomization] = [spec('GitRepository'), spec('Kustomization')];
  const seen = { url: source?.url ?? '(none)', branch: source?.ref?.branch ?? '(none)', path: plainPath(kustomization?.path ?? '(none)') };
  const wrong = (['url', 'branch', 'path'] as const).filter((key) => seen[key] !== (key === 'path' ? plainPath(gitops.path) : gitops[key]));
  if (wrong.length === 0) return;
  throw problem('E_FLUX_SYNC', `${gitops.path}/flux-system/gotk-sync.yaml follows ${wrong.map((key) => `${key} ${seen[key]}`).join(', ')}; cluster.yaml says ${wrong.map((key) => gitops[key]).join(', ')}`,
    'Mend gitops in cluster.yaml; or leave --offline out: a bootstrap writes the file anew, and pushes.');
}

/** Waits until the API server has taken up the kinds that the sync is of. */
async function kindsKnown(host: Host, kubeconfig: string): Promise<void> {
  const names = ['gitrepositories.source.toolkit.fluxcd.io', 'kustomizations.kustomize.toolkit.fluxcd.io'];
  await waitFor({
    name: 'the API server knows Flux’s kinds', deadlineMs: 60_000, everyMs: 250, hint: 'See `kubectl get crds`.',
    look: async () => {
      const found = await getObjects(host, kubeconfig, names.map((name) => `customresourcedefinitions/${name}`));
      const known = found.filter((crd) => condition(crd, 'Established').met).map((crd) => crd.metadata.name);
      return known.length === names.length ? { met: true, value: true } : { met: false, seen: `known: ${known.join(', ') || 'none'}` };
    },
  }, host);
}
