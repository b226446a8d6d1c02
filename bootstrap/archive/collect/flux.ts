import type { Host } from '../../../lib/host.ts';
import { condition, getObjects, type KubeObject } from '../../../gitops/kubectl.ts';
import type { FluxObject, FluxRecord } from '../types.ts';

/** The kinds of Flux that have a revision. Those that a cluster does not know hold nothing. */
const KINDS = [
  'gitrepositories.source.toolkit.fluxcd.io', 'ocirepositories.source.toolkit.fluxcd.io', 'helmrepositories.source.toolkit.fluxcd.io',
  'kustomizations.kustomize.toolkit.fluxcd.io', 'helmreleases.helm.toolkit.fluxcd.io',
];

/** What Flux had applied of each of its objects. Throws what kubectl throws. */
export async function fluxRecord(host: Host, kubeconfig: string): Promise<FluxRecord> {
  const found = await Promise.all(KINDS.map((kind) => getObjects(host, kubeconfig, ['--all-namespaces', kind])));
  return { objects: found.flat().map(fluxObject) };
}

type Status = { readonly artifact?: { readonly revision?: string }; readonly history?: readonly { readonly chartVersion?: string }[] };

function fluxObject(object: KubeObject): FluxObject {
  const { artifact, history } = (object.status ?? {}) as Status;
  const revision = object.status?.lastAppliedRevision ?? artifact?.revision ?? history?.[0]?.chartVersion;
  return {
    kind: object.kind, namespace: object.metadata.namespace ?? '', name: object.metadata.name,
    ...(revision === undefined ? {} : { revision }), ready: condition(object).met, suspended: object.spec?.['suspend'] === true,
  };
}
