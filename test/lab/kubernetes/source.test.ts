import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { KubeClient, KubeObject } from '../../../lab/kubernetes/client.ts';
import { helmCharts, type HelmChart } from '../../../lab/kubernetes/source/helm-chart.ts';
import { helmRepositories, type HelmRepository } from '../../../lab/kubernetes/source/helm-repository.ts';
import { sourcePath, type SourceContext } from '../../../lab/kubernetes/source/kinds.ts';
import { ociRepositories, type OciRepository } from '../../../lab/kubernetes/source/oci-repository.ts';
import { SourceFailure, type Artifact, type SourceObject } from '../../../lab/kubernetes/source/status.ts';
import { openStorage } from '../../../lab/kubernetes/source/storage.ts';
import { startSourceController } from '../../../lab/kubernetes/source-controller.ts';
import { gzipTar } from '../../../lab/tar.ts';
import { testHost } from '../../support/host.ts';

// The reconcilers of HelmRepository, HelmChart and OCIRepository without a cluster; flux.test.ts has them in one, with the real controllers.

type Status = { readonly artifact?: Artifact; readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string; readonly message: string }[] };

type Bench = { readonly context: SourceContext; readonly objects: Map<string, KubeObject>; readonly events: string[]; put(plural: string, object: SourceObject): void };

async function bench(t: TestContext): Promise<Bench> {
  const host = testHost();
  const storage = await openStorage(join(host.scratch, 'artifacts'), '127.0.0.1');
  t.after(() => { storage.close(); host.remove(); });
  const [objects, events] = [new Map<string, KubeObject>(), [] as string[]];
  const client = {
    get: async (path: string) => {
      const found = objects.get(path);
      if (!found) throw new Error(`${path.split('/').at(-2)} "${path.split('/').at(-1)}" not found`);
      return found;
    },
    list: async () => ({ items: [], resourceVersion: '1' }),
    create: async (_path: string, body: { reason: string; message: string }) => { events.push(`${body.reason}: ${body.message}`); return body; },
  } as unknown as KubeClient;
  const context: SourceContext = { client, storage, folder: host.scratch, path: process.env['PATH'] ?? '', signal: new AbortController().signal };
  return { context, objects, events, put: (plural, object) => void objects.set(sourcePath(plural, object.metadata.namespace, object.metadata.name), object) };
}

function object<T extends SourceObject>(name: string, spec: object, status: object = {}): T {
  return { metadata: { name, namespace: 'media', generation: 2 }, spec: { interval: '1m', ...spec }, status } as unknown as T;
}

/** What a reconciler ended with: the Ready condition and what lies behind it, or the failure. */
async function ended(work: Promise<object | undefined>): Promise<string> {
  try {
    const { status } = await work as { status: Status };
    const ready = status.conditions.find(({ type }) => type === 'Ready');
    return `${ready?.status} ${ready?.reason}: ${ready?.message}`;
  } catch (error) {
    assert.ok(error instanceof SourceFailure, String(error));
    return `${error.stalled ? 'stalled ' : ''}${error.condition} ${error.reason}: ${error.message}`;
  }
}

const CSI = 'https://christian-schlichtherle.github.io/synology-csi-chart';

test('a HelmRepository has an index to show; of type oci it is left alone; what is wrong with it is told as the real controller does', async (t) => {
  const { context, objects } = await bench(t);
  const reconcile = (spec: object): Promise<object | undefined> => helmRepositories.reconcile(context, object<HelmRepository>('charts', spec));
  const { status } = await reconcile({ url: CSI }) as { status: Status };
  const index = await fetch(status.artifact!.url).then((answer) => answer.json()) as { entries: Record<string, { version: string }[]> };
  assert.deepEqual([Object.keys(index.entries), index.entries['synology-csi']?.[0]?.version], [['synology-csi'], '0.11.1']);
  assert.equal(`sha256:${/index-(\w+)\.yaml$/.exec(status.artifact!.url)?.[1]}`, status.artifact!.revision);
  assert.equal(await reconcile({ url: 'oci://ghcr.io/x', type: 'oci' }), undefined);
  assert.match(await ended(reconcile({ url: 'oci://ghcr.io/x' })), /^stalled FetchFailed URLInvalid: invalid Helm repository URL/);
  assert.equal(await ended(reconcile({ url: CSI, secretRef: { name: 'login' } })), "FetchFailed AuthenticationFailed: failed to get authentication secret 'media/login': secrets \"login\" not found");
  objects.set('/api/v1/namespaces/media/secrets/login', { metadata: { name: 'login' } });
  assert.match(await ended(reconcile({ url: CSI, secretRef: { name: 'login' } })), /^True Succeeded: stored artifact: revision 'sha256:/);
});

test('a HelmChart of a repository', async (t) => {
  const { context, events, put } = await bench(t);
  const reconcile = (spec: object, status: object = {}): Promise<object | undefined> => helmCharts.reconcile(context, object<HelmChart>('media-csi', spec, status));
  const from = (name: string): object => ({ sourceRef: { kind: 'HelmRepository', name } });
  const csi = { chart: 'synology-csi', ...from('csi') };
  assert.equal(await ended(reconcile(csi)), 'FetchFailed SourceUnavailable: failed to get source: helmrepositories "csi" not found');
  put('helmrepositories', object('csi', { url: CSI }));
  assert.equal(await ended(reconcile(csi)), "FetchFailed NoSourceArtifact: no artifact available for HelmRepository source 'csi'");
  const repository = object<HelmRepository>('csi', { url: CSI });
  put('helmrepositories', { ...repository, ...await helmRepositories.reconcile(context, repository) });
  put('helmrepositories', object('registry', { url: 'oci://ghcr.io/external-secrets/charts', type: 'oci' }));

  const cases: [spec: object, end: RegExp][] = [
    [{ ...csi, version: '~0.11.0' }, /^True ChartPullSucceeded: pulled 'synology-csi' chart with version '0\.11\.1'$/],
    [{ ...csi, version: '0.9.99' }, /^stalled FetchFailed InvalidChartReference: invalid chart reference: failed to get chart version for remote reference: no 'synology-csi' chart with version matching '0\.9\.99' found$/],
    [{ ...csi, chart: 'synology' }, /^stalled FetchFailed InvalidChartReference: .*: no chart name found$/],
    [{ ...csi, valuesFiles: ['values.yaml'] }, /^True ChartPackageSucceeded: packaged 'synology-csi' chart with version '0\.11\.1\+2'$/],
    [{ chart: 'external-secrets', version: '1.3.99', ...from('registry') }, /^FetchFailed ChartPullError: chart pull error: .*: could not locate a version matching provided version string 1\.3\.99$/],
    [{ chart: 'external-secrets', version: '1.3.x', ...from('registry') }, /^True ChartPullSucceeded: pulled 'external-secrets' chart with version '1\.3\.2'$/],
    [{ chart: 'x', sourceRef: { kind: 'Bucket', name: 'b' } }, /^stalled FetchFailed UnsupportedSourceKind: /],
  ];
  for (const [spec, end] of cases) assert.match(await ended(reconcile(spec)), end);

  const { status } = await reconcile({ ...csi, verify: { provider: 'cosign' } }) as { status: Status };
  assert.match(events.at(-1) ?? '', /^ChartImitated: chart 'synology-csi' with version '0\.11\.1' makes the objects .*; its signature was not looked at$/);
  const told = events.length;
  const again = await reconcile(csi, { ...status, observedGeneration: 2 }) as { status: Status };
  assert.deepEqual([again.status.artifact, events.length], [undefined, told]);
});

test('a HelmChart of a git repository', async (t) => {
  const { context, put } = await bench(t);
  const revision = `main@sha1:${'0123456789'.repeat(4)}`;
  const files = {
    'charts/ring/Chart.yaml': 'apiVersion: v2\nname: ring\nversion: 1.0.0\n', 'charts/bare/values.yaml': 'a: 1\n', 'values/frodo.yaml': 'a: 2\n',
    'charts/needy/Chart.yaml': 'apiVersion: v2\nname: needy\nversion: 1.0.0\ndependencies: [{ name: ring, version: 1.0.0, repository: "" }]\n',
    'charts/fed/Chart.yaml': 'apiVersion: v2\nname: fed\nversion: 1.0.0\ndependencies: [{ name: mithril, version: 1.x, repository: "https://charts.example.test" }]\n',
  };
  const path = 'gitrepository/media/homelab/a.tar.gz';
  mkdirSync(join(context.storage.file(path), '..'), { recursive: true });
  writeFileSync(context.storage.file(path), gzipTar(Object.entries(files).map(([name, data]) => ({ name, data }))));
  put('gitrepositories', object('homelab', { url: 'ssh://git@example.test/homelab.git' }, { artifact: { path, revision } }));
  const cases: [spec: object, end: RegExp][] = [
    [{ chart: './charts/ring' }, /^True ChartPackageSucceeded: packaged 'ring' chart with version '1\.0\.0'$/],
    [{ chart: 'charts/ring', reconcileStrategy: 'Revision', valuesFiles: ['values/frodo.yaml'] }, /^True .* with version '1\.0\.0\+012345678901\.2'$/],
    [{ chart: 'charts/fed' }, /^True .* packaged 'fed' chart/],
    [{ chart: 'charts/none' }, /^stalled FetchFailed InvalidChartReference: invalid chart reference: stat charts\/none: no such file or directory$/],
    [{ chart: '../../../../../../etc' }, /^stalled FetchFailed InvalidChartReference: .* no such file or directory$/],
    [{ chart: 'charts/bare' }, /^stalled FetchFailed InvalidChartReference: invalid chart reference: no 'Chart\.yaml' found$/],
    [{ chart: 'charts/needy' }, /^BuildFailed DependencyBuildError: .* 'ring'/],
    [{ chart: 'charts/ring', valuesFiles: ['values/sam.yaml'] }, /^stalled BuildFailed ValuesFilesError: .*no values file found at path 'values\/sam\.yaml'$/],
    [{ chart: 'charts/ring', valuesFiles: ['values/sam.yaml'], ignoreMissingValuesFiles: true }, /^True /],
  ];
  for (const [spec, end] of cases) {
    const chart = object<HelmChart>('media-ring', { ...spec, sourceRef: { kind: 'GitRepository', name: 'homelab' } });
    assert.match(await ended(helmCharts.reconcile(context, chart)), end);
  }
});

test('an OCIRepository is a chart where its layer, its address or a HelmRelease says so, and a note otherwise', async (t) => {
  const { context, events } = await bench(t);
  const reconcile = (spec: object): Promise<object | undefined> => ociRepositories.reconcile(context, object<OciRepository>('thing', spec));
  const layerSelector = { mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip', operation: 'copy' };
  const url = 'oci://ghcr.io/external-secrets/charts/external-secrets';
  const cases: [spec: object, end: RegExp][] = [
    [{ url, layerSelector, ref: { semver: '2.4.x' } }, /^True Succeeded: stored artifact for digest '2\.4\.1@sha256:[0-9a-f]{64}'$/],
    [{ url, layerSelector, ref: { tag: '2.0.0' } }, /^True .*'2\.0\.0@sha256:/],
    [{ url }, /^True .*'latest@sha256:/],
    [{ url, ref: { digest: `sha256:${'a'.repeat(64)}` } }, /^True .*'sha256:a{64}'$/],
    [{ url, ref: { semver: '1.3.99' } }, /^FetchFailed ReadOperationFailed: failed to determine the artifact tag for '.*': no match found for semver: 1\.3\.99$/],
    [{ url, ref: { semver: 'newest' } }, /^FetchFailed ReadOperationFailed: .*semver 'newest' parse error: improper constraint: newest$/],
    [{ url, ref: { tag: '1.3.99' } }, /^FetchFailed OCIArtifactPullFailed: .*ghcr\.io\/external-secrets\/charts\/external-secrets:1\.3\.99: MANIFEST_UNKNOWN/],
  ];
  for (const [spec, end] of cases) assert.match(await ended(reconcile(spec)), end);
  assert.match(await ended(reconcile({ url: 'oci://ghcr.io/stefanprodan/manifests/podinfo', ref: { tag: 'latest' } })), /^True /);
  assert.match(events.at(-1) ?? '', /^ChartUnknown: chart 'podinfo' with version 'latest' is not pulled in the lab/);
});

test('stopped while a reconcile is under way it ends with it, not at the object’s next interval', { timeout: 20_000 }, async () => {
  const host = testHost();
  const [reached, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const one = object<HelmRepository>('charts', { url: 'https://stefanprodan.github.io/podinfo', interval: '24h' });
  const client = {
    list: async (path: string) => ({ items: path === sourcePath('helmrepositories') ? [one] : [], resourceVersion: '1' }),
    watch: async function* (_path: string, _version: string, signal: AbortSignal) { if (!signal.aborted) await once(signal, 'abort'); },
    create: async (_path: string, body: object) => body,
    patch: async (_path: string, body: object) => { reached.resolve(); await answered.promise; return body; },
  } as unknown as KubeClient;
  const controller = await startSourceController({ client, folder: host.scratch, address: '127.0.0.1', path: process.env['PATH'] ?? '' });
  await reached.promise;
  const stopped = controller.stop();
  answered.resolve();
  await stopped;
  host.remove();
});
