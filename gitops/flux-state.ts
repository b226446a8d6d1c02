import { compare } from 'semver';
import { problem, ManyErrors, type FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Gitops } from '../nodes/cluster.ts';
import { FLUX_NAMESPACE } from './age-secret.ts';
import { condition, getObjects, type KubeObject } from './kubectl.ts';
import { SOURCE_SECRET, trustsPinnedKey } from './source-secret.ts';

/** The controllers that firstlight installs; each is a Deployment of this name in flux-system. */
export const COMPONENTS = ['source-controller', 'kustomize-controller', 'helm-controller'] as const;

/** What of Flux is in the cluster. Parts that aren't there are undefined. */
export type FluxState = {
  /** Of the installed CRDs, `v2.9.5`. */
  readonly version?: string;
  readonly source?: KubeObject;
  readonly kustomization?: KubeObject;
  readonly secret?: KubeObject;
  readonly deployments: ReadonlyMap<string, KubeObject>;
};

/** Reads the state of Flux from the cluster. Throws what kubectl throws. */
export async function readFlux(host: Host, kubeconfig: string): Promise<FluxState> {
  const [crd] = await getObjects(host, kubeconfig, ['customresourcedefinitions/gitrepositories.source.toolkit.fluxcd.io']);
  if (!crd) return { deployments: new Map() };
  const version = crd.metadata.labels?.['app.kubernetes.io/version'];
  const found = await getObjects(host, kubeconfig, ['-n', FLUX_NAMESPACE,
    `gitrepositories.source.toolkit.fluxcd.io/${FLUX_NAMESPACE}`, `kustomizations.kustomize.toolkit.fluxcd.io/${FLUX_NAMESPACE}`,
    `secrets/${SOURCE_SECRET}`, ...COMPONENTS.map((name) => `deployments.apps/${name}`)]);
  const one = (kind: string): KubeObject | undefined => found.find((object) => object.kind === kind);
  const [source, kustomization, secret] = [one('GitRepository'), one('Kustomization'), one('Secret')];
  return {
    ...(version === undefined ? {} : { version }),
    ...(source === undefined ? {} : { source }),
    ...(kustomization === undefined ? {} : { kustomization }),
    ...(secret === undefined ? {} : { secret }),
    deployments: new Map(found.filter((object) => object.kind === 'Deployment').map((object) => [object.metadata.name, object])),
  };
}

/** What is missing until Flux follows the inventory's repository; empty when nothing is. */
export function missingParts(state: FluxState, gitops: Gitops): string[] {
  if (state.version === undefined && state.deployments.size === 0) return ['Flux is not installed'];
  const missing: string[] = [];
  const spec = state.source?.spec as { url?: string; ref?: { branch?: string } } | undefined;
  if (!state.source) missing.push('the source flux-system is not there');
  else if (spec?.url !== gitops.url) missing.push(`Flux follows ${spec?.url ?? 'no repository'}`);
  else if (spec.ref?.branch !== gitops.branch) missing.push(`Flux follows branch ${spec.ref?.branch ?? '(none)'}`);
  if (!state.kustomization) missing.push('the Kustomization flux-system is not there');
  if (!trustsPinnedKey(state.secret, gitops)) missing.push('the Secret flux-system does not hold the pinned host key alone');
  for (const name of COMPONENTS) {
    const deployment = state.deployments.get(name);
    if (!deployment) missing.push(`${name} is not there`);
    else if ((deployment.status?.availableReplicas ?? 0) < 1) missing.push(`${name} is not available: ${condition(deployment, 'Available').message}`);
  }
  return missing;
}

/** How `up` brings Flux: by a bootstrap at the pinned version, by one that may commit a newer version, or from the manifests that the repository has, writing nothing to git. */
export type FluxWay = 'bootstrap' | 'upgrade' | 'offline';

/** The versions of Flux (`v2.9.5`) before it is brought: what would be applied, and what is there already. Places without one are undefined. */
export type FluxVersions = {
  /** Of the flux program, or offline of the repository's manifests. */
  readonly comes: string;
  readonly cluster: string | undefined;
  readonly repository: string | undefined;
  /** In firstlight.lock.yaml. */
  readonly pinned: string | undefined;
};

/** Throws where a bootstrap would overwrite what somebody set on purpose: `E_FLUX_PATH`, `E_FLUX_SUSPENDED`, `E_FLUX_VERSION`, together as `E_FLUX_CONFLICT`. */
export function refuseConflicts(state: FluxState, gitops: Gitops, versions: FluxVersions, way: FluxWay): void {
  const faults: FirstlightError[] = [];
  const path = state.kustomization?.spec?.['path'];
  if (typeof path === 'string' && plainPath(path) !== plainPath(gitops.path)) {
    faults.push(problem('E_FLUX_PATH', `the cluster's Flux reads ${path}, not ${gitops.path}`,
      'Mend gitops.path in cluster.yaml, or delete the Kustomization flux-system in the cluster if that path is really over.'));
  }
  for (const object of [state.source, state.kustomization]) {
    if (object?.spec?.['suspend'] !== true) continue;
    const kind = object.kind === 'GitRepository' ? 'source git' : 'kustomization';
    faults.push(problem('E_FLUX_SUSPENDED', `${object.kind} flux-system is suspended, so a bootstrap would wait for ever`, `See why it was suspended; then \`flux resume ${kind} flux-system\`.`));
  }
  const version = versionFault(versions, way);
  if (version) faults.push(version);
  const [first] = faults;
  if (faults.length === 1 && first) throw first;
  if (first) throw new ManyErrors('E_FLUX_CONFLICT', `${faults.length} things in the cluster are against a bootstrap`, 'Mend each of them and run again.', faults);
}

/** A bootstrap commits the manifests of its own version, whatever is there: so it has to be the one that is there, or a newer one that was asked for. */
function versionFault(versions: FluxVersions, way: FluxWay): FirstlightError | undefined {
  const { comes, cluster, repository, pinned } = versions;
  const others = ([['the cluster has', cluster], ['the repository has', repository], ['firstlight.lock.yaml pins', pinned]] as const)
    .filter((entry): entry is readonly [typeof entry[0], string] => entry[1] !== undefined && entry[1] !== comes);
  if (others.length === 0) return undefined;
  const there = others.map(([where, version]) => `${where} ${version}`).join(', ');
  if (way === 'offline') {
    return problem('E_FLUX_VERSION', `the repository's manifests are of Flux ${comes}, but ${there}`, 'Nothing was applied. Bring the repository (and firstlight.lock.yaml) to one version first; Flux can’t go back to an older one.');
  }
  const older = others.find(([, version]) => compare(comes, version) < 0);
  if (older) {
    return problem('E_FLUX_VERSION', `the flux program is ${comes}, but ${there}: Flux can’t go back to an older version`, `Use a firstlight that brings Flux ${older[1]} or newer (\`firstlight tools\` tells which one this brings), or put such a flux on PATH.`);
  }
  if (way === 'upgrade') return undefined;
  return problem('E_FLUX_VERSION', `the flux program is ${comes}, but ${there}: a bootstrap would commit an upgrade`, `Where that is wanted: \`firstlight up --upgrade-flux\`. Else use the firstlight that brings Flux ${others[0]?.[1]}, or put that flux on PATH.`);
}

/** A folder in the repository without `./` before and slashes after it, as Flux takes them for the same. */
export function plainPath(path: string): string {
  return path.replace(/^(\.\/)+/, '').replace(/\/+$/, '') || '.';
}
