import { metadataOf, packChart, withBuild, type Chart } from '../../charts/chart.ts';
import { findChart, type NoChart, type PlayedChart } from '../../charts/shelf.ts';
import { overlayValues } from '../../charts/values.ts';
import { withTree } from './chart-in-tree.ts';
import type { HelmRepository } from './helm-repository.ts';
import { sourcePath, type SourceContext, type SourceKind } from './kinds.ts';
import { requireSecrets } from './secrets.ts';
import { SourceFailure, storedStatus, type Artifact, type SourceObject } from './status.ts';
import { artifactPath } from './storage.ts';
import { tellPlayed } from './tell.ts';

/** A HelmChart (fluxcd/source-controller:api/v1), as helm-controller makes it from a HelmRelease. */
export type HelmChart = SourceObject & {
  readonly spec: {
    readonly chart: string;
    readonly version?: string;
    readonly sourceRef: { readonly kind: string; readonly name: string };
    readonly valuesFiles?: readonly string[];
    readonly ignoreMissingValuesFiles?: boolean;
    readonly reconcileStrategy?: 'ChartVersion' | 'Revision';
  };
};

/** A chart as it will be packed; `played` where the lab made it up, `plain` where it goes as it came. */
type Built = { readonly chart: Chart; readonly plain: boolean; readonly played?: PlayedChart };

/** HelmCharts, from a HelmRepository or a GitRepository, as helmchart_controller.go makes them; signatures are not looked at. */
export const helmCharts: SourceKind<HelmChart> = {
  kind: 'HelmChart',
  plural: 'helmcharts',
  reconcile: async (context, object) => {
    const source = await sourceOf(context, object);
    const built = object.spec.sourceRef.kind === 'HelmRepository'
      ? await fromRepository(context, object, source as HelmRepository)
      : await fromGit(context, object, source);
    const { name, version } = metadataOf(built.chart);
    const message = `${built.plain ? 'pulled' : 'packaged'} '${name}' chart with version '${version}'`;
    const path = artifactPath('helmchart', object, `${name}-${version}.tgz`);
    const held = context.storage.holds(object, path, version);
    const artifact = held ? undefined : await context.storage.store(path, version, packChart(built.chart));
    if (!held && built.played) await tellPlayed(context.client, 'HelmChart', object, name, built.played);
    return storedStatus(object, built.plain ? 'ChartPullSucceeded' : 'ChartPackageSucceeded', message, artifact, {
      observedChartName: name, ...(source.status?.artifact ? { observedSourceArtifactRevision: source.status.artifact.revision } : {}),
    });
  },
};

async function sourceOf({ client, storage }: SourceContext, object: HelmChart): Promise<SourceObject> {
  const { kind, name } = object.spec.sourceRef;
  const plural = { HelmRepository: 'helmrepositories', GitRepository: 'gitrepositories' }[kind];
  if (plural === undefined) throw new SourceFailure('UnsupportedSourceKind', `failed to get source: the lab's source stand-in does not know charts of a ${kind}`, { stalled: true });
  const source = await client.get<SourceObject>(sourcePath(plural, object.metadata.namespace, name)).catch((error: Error) => {
    throw new SourceFailure('SourceUnavailable', `failed to get source: ${error.message}`);
  });
  const { artifact } = source.status ?? {};
  if (source.spec['type'] !== 'oci' && (artifact === undefined || !storage.has(artifact.path))) {
    throw new SourceFailure('NoSourceArtifact', `no artifact available for ${kind} source '${name}'`);
  }
  return source;
}

async function fromRepository({ client }: SourceContext, object: HelmChart, source: HelmRepository): Promise<Built> {
  const { url, type } = source.spec;
  if (type === 'oci') await requireSecrets(client, source);
  const { chart: name, version, valuesFiles = [] } = object.spec;
  const found = await findChart({ repository: url, name, version });
  if ('missing' in found) throw noChart(found, type === 'oci', version);
  if (valuesFiles.length === 0) return { chart: found.chart, plain: true, played: found };
  // What other values files the real chart has, nobody knows here: they are passed over.
  const chart = await merged(overlayValues(found.chart, valuesFiles, async (path) => found.chart.files.get(path), true));
  return { chart: withBuild(chart, [`${object.metadata.generation}`]), plain: false, played: found };
}

/** What the real controller says where a repository has no such chart; a registry is asked for tags, and may be asked again. */
function noChart({ missing, message }: NoChart, registry: boolean, version: string | undefined): SourceFailure {
  const said = registry && missing === 'version' ? `could not locate a version matching provided version string ${version}` : message;
  const text = `failed to get chart version for remote reference: ${said}`;
  if (registry) return new SourceFailure('ChartPullError', `chart pull error: ${text}`);
  return new SourceFailure('InvalidChartReference', `invalid chart reference: ${text}`, { stalled: true });
}

async function fromGit(context: SourceContext, object: HelmChart, source: SourceObject): Promise<Built> {
  const { chart: path, valuesFiles = [], ignoreMissingValuesFiles = false, reconcileStrategy } = object.spec;
  const { path: archive, revision } = source.status?.artifact as Artifact;
  const chart = await withTree(context, context.storage.file(archive), async (tree) => {
    const raw = await tree.chart(path);
    return valuesFiles.length === 0 ? raw : merged(overlayValues(raw, valuesFiles, tree.file, ignoreMissingValuesFiles));
  });
  const build = [...(reconcileStrategy === 'Revision' ? [revision.replace(/^.*:/, '').slice(0, 12)] : []), ...(valuesFiles.length > 0 ? [`${object.metadata.generation}`] : [])];
  return { chart: withBuild(chart, build), plain: false };
}

function merged(chart: Promise<Chart>): Promise<Chart> {
  return chart.catch((error: Error) => {
    throw new SourceFailure('ValuesFilesError', `values files merge error: failed to merge chart values: ${error.message}`, { condition: 'BuildFailed', stalled: true });
  });
}
