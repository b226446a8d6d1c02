import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { stringify } from 'yaml';
import { mergeValues } from '../../../lab/charts/values.ts';
import type { KubeObject } from '../../../lab/kubernetes/client.ts';
import type { SourceObject } from '../../../lab/kubernetes/source/status.ts';
import { outlines, type Outline } from '../charts/outline.ts';
import { eventually, type TestControlPlane } from './control-plane.ts';

const NAMESPACE = 'synology-csi';

type Workload = { readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { readonly args: readonly string[] }[] } } } };

/** What a real chart made of those values (test/recorded/charts). */
function recorded(chart: string): { readonly values: unknown; readonly objects: Readonly<Record<string, Outline>> } {
  return JSON.parse(readFileSync(new URL(`../../recorded/charts/${chart}.json`, import.meta.url), 'utf8'));
}

/** What external-secrets makes and the lab leaves out: nobody answers the webhooks here, and nobody uses the roles. */
const LEFT_OUT = [
  'ValidatingWebhookConfiguration/secretstore-validate', 'ValidatingWebhookConfiguration/externalsecret-validate',
  'Role/external-secrets-leaderelection', 'RoleBinding/external-secrets-leaderelection',
  ...['view', 'edit', 'servicebindings'].map((name) => `ClusterRole/external-secrets-${name}`),
];

/** What the test puts into the git repository: a chart of the owner's own, which depends on another beside it. */
export const OWN_CHARTS = {
  'charts/ring/Chart.yaml': stringify({
    apiVersion: 'v2', name: 'ring', version: '1.2.3', dependencies: [{ name: 'finger', version: '0.1.0', repository: 'file://../finger' }],
  }),
  'charts/ring/values.yaml': stringify({ bearer: 'bilbo', power: 1 }),
  'charts/ring/templates/ring.yaml': stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'ring' }, data: { bearer: '{{ .Values.bearer }}-{{ .Values.power }}' } }),
  'charts/finger/Chart.yaml': stringify({ apiVersion: 'v2', name: 'finger', version: '0.1.0' }),
  'charts/finger/templates/finger.yaml': stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'finger' } }),
  'charts/frodo.yaml': stringify({ bearer: 'frodo' }),
};

/**
 * HelmReleases in a cluster where Flux runs with a GitRepository flux-system: charts of the lab's shelf (of a repository and of a
 * registry), one of that GitRepository, one that the lab does not know. The shelf's make what recordings of the real charts hold;
 * values arrive, a change of them upgrades, a version that does not exist is told.
 */
export async function helmPart(cp: TestControlPlane): Promise<void> {
  const { host, kubectl } = cp;
  const apply = async (...objects: object[]): Promise<void> => {
    const path = join(host.scratch, 'helm.yaml');
    writeFileSync(path, objects.map((object) => stringify(object)).join('---\n'));
    await kubectl('apply', '-f', path);
  };
  const metadata = (name: string): object => ({ name, namespace: NAMESPACE });
  const source = (kind: string, name: string, spec: object): object => ({ apiVersion: 'source.toolkit.fluxcd.io/v1', kind, metadata: metadata(name), spec: { interval: '10m', ...spec } });
  const release = (name: string, spec: object): object => ({ apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', metadata: metadata(name), spec: { interval: '10m', ...spec } });
  const chart = (name: string, version: string, values: unknown): object => release(name, { chart: { spec: { chart: name, version, sourceRef: { kind: 'HelmRepository', name } } }, values });
  const get = <T>(path: string): Promise<T> => cp.api.client.get<T>(path);
  const ready = async (name: string): Promise<string> => {
    const { metadata, status } = await get<SourceObject>(`/apis/helm.toolkit.fluxcd.io/v2/namespaces/${NAMESPACE}/helmreleases/${name}`);
    const condition = status?.conditions?.find(({ type }) => type === 'Ready');
    return `${metadata.generation}=${status?.observedGeneration} ${condition?.status} ${condition?.reason} ${condition?.message}`;
  };
  const configMap = async (name: string): Promise<Readonly<Record<string, string>> | undefined> => (await get<{ data?: Record<string, string> }>(`/api/v1/namespaces/${NAMESPACE}/configmaps/${name}`)).data;

  await apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } } },
    { apiVersion: 'v1', kind: 'Secret', metadata: metadata('synology-csi-client-info'), stringData: { 'client-info.yaml': 'clients: []\n' } },
    source('HelmRepository', 'synology-csi', { url: 'https://christian-schlichtherle.github.io/synology-csi-chart' }),
    chart('synology-csi', '0.11.x', recorded('synology-csi').values),
    release('ring', {
      chart: { spec: { chart: './charts/ring', sourceRef: { kind: 'GitRepository', name: 'flux-system', namespace: 'flux-system' }, valuesFiles: ['charts/ring/values.yaml', 'charts/frodo.yaml'] } },
      values: { power: 9 },
    }),
    source('OCIRepository', 'mithril', {
      url: 'oci://registry.example.test/charts/mithril', ref: { semver: '>=2.1.0, <3' },
      layerSelector: { mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip', operation: 'copy' },
    }),
    source('HelmRepository', 'external-secrets', { type: 'oci', url: 'oci://ghcr.io/external-secrets/charts' }),
    chart('external-secrets', '2.9.0', recorded('external-secrets').values),
    source('HelmRepository', 'podinfo', { url: 'https://stefanprodan.github.io/podinfo' }),
    chart('podinfo', '>=1.0.0-alpha', recorded('podinfo').values),
    source('OCIRepository', 'gateway-helm', { url: 'oci://docker.io/envoyproxy/gateway-helm', ref: { semver: '>= 1.8.0-rc.0' } }),
    release('gateway-helm', { chartRef: { kind: 'OCIRepository', name: 'gateway-helm' } }),
    release('mithril', { chartRef: { kind: 'OCIRepository', name: 'mithril' } }),
  );
  for (const name of ['synology-csi', 'ring', 'external-secrets', 'podinfo', 'gateway-helm', 'mithril']) {
    await eventually(host, `HelmRelease ${name} is Ready`, () => ready(name), /^(\d+)=\1 True InstallSucceeded /);
  }

  for (const name of ['synology-csi', 'external-secrets', 'podinfo']) {
    const { data } = await get<{ data: { release: string } }>(`/api/v1/namespaces/${NAMESPACE}/secrets/sh.helm.release.v1.${name}.v1`);
    const stored = JSON.parse(gunzipSync(Buffer.from(Buffer.from(data.release, 'base64').toString(), 'base64')).toString()) as { manifest: string };
    const made = Object.entries(outlines(stored.manifest)).filter(([key]) => !key.startsWith('CustomResourceDefinition/'));
    assert.deepEqual(Object.fromEntries(made), Object.fromEntries(Object.entries(recorded(name).objects).filter(([key]) => !LEFT_OUT.includes(key))));
  }
  assert.deepEqual([(await configMap('ring'))?.['bearer'], await configMap('finger')], ['frodo-9', undefined]);
  const wanted = { apiVersion: 'external-secrets.io/v1', kind: 'ExternalSecret', metadata: metadata('ring') };
  await apply({ ...wanted, spec: { secretStoreRef: { name: 'vault', kind: 'ClusterSecretStore' }, dataFrom: [{ extract: { key: 'ring' } }] } });
  await assert.rejects(apply({ ...wanted, spec: { secretStoreReff: { name: 'vault' } } }), /unknown field "spec\.secretStoreReff"/);
  await apply({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GatewayClass', metadata: { name: 'envoy' }, spec: { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' } });
  assert.equal((await configMap('mithril-stand-in'))?.['version'], '2.1.0');
  const told = (await cp.api.client.list<KubeObject & { readonly reason: string; readonly involvedObject: { readonly name: string } }>(`/api/v1/namespaces/${NAMESPACE}/events?fieldSelector=source%3Dsource-controller`)).items;
  assert.deepEqual(told.map((event) => `${event.reason} ${event.involvedObject.name}`).sort(), [
    'ChartImitated synology-csi-external-secrets', 'ChartImitated synology-csi-podinfo', 'ChartImitated synology-csi-synology-csi', 'ChartKindsOnly gateway-helm', 'ChartUnknown mithril',
  ]);

  const others = mergeValues(recorded('synology-csi').values, { node: { plugin: { extraArgs: ['--iscsiadm-path=/two'] } } });
  await apply(chart('synology-csi', '0.11.x', others));
  await eventually(host, 'new values are an upgrade', () => ready('synology-csi'), /^2=2 True UpgradeSucceeded /);
  const { spec } = await get<Workload>(`/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets/synology-csi-node`);
  assert.ok(spec.template.spec.containers.some(({ args }) => args.includes('--iscsiadm-path=/two')));
  await apply(chart('synology-csi', '0.9.99', others));
  await eventually(host, 'a version that was never published is told', () => ready('synology-csi'), /False SourceNotReady .*invalid chart reference: .*no 'synology-csi' chart with version matching '0\.9\.99' found/);
}
