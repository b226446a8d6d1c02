import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { stringify } from 'yaml';
import { packChart } from '../../charts/chart.ts';
import { findChart, type PlayedChart } from '../../charts/shelf.ts';
import { isConstraint } from '../../charts/versions.ts';
import { gzipTar } from '../../tar.ts';
import type { KubeClient, KubeObject } from '../client.ts';
import type { SourceKind } from './kinds.ts';
import { requireSecrets } from './secrets.ts';
import { SourceFailure, storedStatus, type SourceObject } from './status.ts';
import { artifactPath } from './storage.ts';
import { tellPlayed } from './tell.ts';

/** An OCIRepository (fluxcd/source-controller:api/v1) as far as the stand-in reads it. */
export type OciRepository = SourceObject & {
  readonly spec: {
    readonly url: string;
    readonly ref?: { readonly tag?: string; readonly semver?: string; readonly digest?: string };
    readonly layerSelector?: { readonly mediaType?: string; readonly operation?: 'extract' | 'copy' };
  };
};

/** What would be pulled: its bytes, and the tag under which they lie. */
type Pulled = { readonly tag: string; readonly bytes: Buffer; readonly played: PlayedChart };

/**
 * OCIRepositories: nothing is pulled. A Helm chart comes from the lab's shelf; in place of other things (manifests that a
 * Kustomization applies) there is a note. The digest in the revision is that of the content: the lab has no OCI manifests.
 * Statuses as by ocirepository_controller.go; signatures are not looked at.
 */
export const ociRepositories: SourceKind<OciRepository> = {
  kind: 'OCIRepository',
  plural: 'ocirepositories',
  reconcile: async ({ client, storage }, object) => {
    await requireSecrets(client, object);
    const { tag, bytes, played } = await pull(object, await isChart(client, object));
    const digest = object.spec.ref?.digest ?? `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const revision = object.spec.ref?.digest === undefined ? `${tag}@${digest}` : digest;
    const path = artifactPath('ocirepository', object, `${digest.replace(':', '-')}.tar.gz`);
    const held = storage.holds(object, path, revision);
    const artifact = held ? undefined : await storage.store(path, revision, bytes);
    if (!held) await tellPlayed(client, 'OCIRepository', object, posix.basename(object.spec.url), played);
    return storedStatus(object, 'Succeeded', `stored artifact for digest '${revision}'`, artifact);
  },
};

async function pull({ spec }: OciRepository, chart: boolean): Promise<Pulled> {
  const { tag, semver } = spec.ref ?? {};
  const release = tag?.replaceAll('_', '+');
  const version = chart ? semver ?? (isConstraint(release) ? release : undefined) : undefined;
  const found = await findChart({ repository: posix.dirname(spec.url), name: posix.basename(spec.url), version });
  if ('missing' in found) {
    throw semver === undefined
      ? new SourceFailure('OCIArtifactPullFailed', `failed to determine artifact digest: ${spec.url.slice('oci://'.length)}:${tag ?? 'latest'}: MANIFEST_UNKNOWN: manifest unknown`)
      : new SourceFailure('ReadOperationFailed', `failed to determine the artifact tag for '${spec.url}': ${found.missing === 'constraint' ? `semver '${semver}' parse error: ${found.message}` : `no match found for semver: ${semver}`}`);
  }
  if (chart) return { tag: semver === undefined ? tag ?? 'latest' : found.version.replaceAll('+', '_'), bytes: packChart(found.chart), played: found };
  const note = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `${posix.basename(spec.url)}-stand-in`, namespace: 'default' }, data: { url: spec.url, note: 'A stand-in: nothing is pulled in the lab.' } };
  const remark = 'is not pulled in the lab: only a note stands for it, none of its objects are made';
  return { tag: tag ?? semver ?? 'latest', bytes: gzipTar([{ name: 'stand-in.yaml', data: stringify(note) }]), played: { ...found, version: tag ?? semver ?? 'latest', played: 'note', remark } };
}

/** Is it a Helm chart? Its layer says so, or its address, or a HelmRelease that wants it as one. */
async function isChart(client: KubeClient, { metadata, spec }: OciRepository): Promise<boolean> {
  if (spec.layerSelector?.mediaType !== undefined) return /helm\.chart/.test(spec.layerSelector.mediaType);
  if (/chart|helm/.test(spec.url)) return true;
  type Release = KubeObject & { readonly spec: { readonly chartRef?: { readonly kind: string; readonly name: string; readonly namespace?: string } } };
  const releases = await client.list<Release>('/apis/helm.toolkit.fluxcd.io/v2/helmreleases').then(({ items }) => items, () => []);
  return releases.some((release) => release.spec.chartRef?.kind === 'OCIRepository' && release.spec.chartRef.name === metadata.name
    && (release.spec.chartRef.namespace ?? release.metadata.namespace) === metadata.namespace);
}
