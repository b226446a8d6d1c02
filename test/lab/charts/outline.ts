import { parseAllDocuments } from 'yaml';

/** What is compared of an object that a chart makes: what others see of it, or depend on. */
export type Outline = Readonly<Record<string, unknown>>;

type Container = { readonly name: string; readonly image: string; readonly command?: readonly string[]; readonly args?: readonly string[] };

type Manifest = {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly selector?: object; readonly template?: { readonly spec: { readonly containers: readonly Container[]; readonly serviceAccountName?: string; readonly hostNetwork?: boolean; readonly volumes?: readonly object[] } };
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
};

/** Labels that are not compared: the template's file name, which the synology-csi chart gives, and what helm-controller adds. */
const UNSEEN = /^helm\.sh\/template$|^helm\.toolkit\.fluxcd\.io\//;

/** The objects of a rendered chart by `Kind/name`, without hooks, reduced to what a cluster and its users depend on. */
export function outlines(rendered: string): Record<string, Outline> {
  const objects = parseAllDocuments(rendered).map((document) => document.toJS() as Manifest | null).filter((object) => object !== null);
  const found = Object.fromEntries(objects.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === undefined).map((object) => [`${object.kind}/${object.metadata.name}`, outline(object)]));
  return JSON.parse(JSON.stringify(found)) as Record<string, Outline>;
}

function outline({ kind, metadata, spec, ...rest }: Manifest): Outline {
  const labels = Object.fromEntries(Object.entries(metadata.labels ?? {}).filter(([name]) => !UNSEEN.test(name)).sort());
  const pod = spec?.template?.spec;
  if (pod) {
    const containers = pod.containers.map(({ name, image, command = [], args = [] }) => ({ name, image, command: [...command, ...args] }));
    return { labels, replicas: spec['replicas'], selector: spec.selector, account: pod.serviceAccountName, hostNetwork: pod.hostNetwork === true, containers, volumes: pod.volumes };
  }
  if (kind === 'CSIDriver') return { labels, spec };
  if (kind === 'StorageClass') return { labels, default: metadata.annotations?.['storageclass.kubernetes.io/is-default-class'], ...rest };
  if (kind === 'Service') return { labels, selector: spec?.selector };
  return { labels };
}
