import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { KubeObject } from '../../../lab/kubernetes/client.ts';
import type { HelmChart } from '../../../lab/kubernetes/source/helm-chart.ts';
import type { SourceObject } from '../../../lab/kubernetes/source/status.ts';
import { eventually, type TestControlPlane } from './control-plane.ts';

const NAMESPACE = 'synology-csi';

type Workload = { readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { readonly name: string; readonly image: string; readonly args: readonly string[] }[] } } } };

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
 * registry), one of that GitRepository, one that the lab does not know; values arrive, a change of them upgrades, a version that does not exist is told.
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
  const csi = (version: string, extraArg: string): object => release('synology-csi', {
    chart: { spec: { chart: 'synology-csi', version, sourceRef: { kind: 'HelmRepository', name: 'synology-csi' } } },
    values: { node: { plugin: { extraArgs: [extraArg] } }, storageClasses: { 'iscsi-retain': { isDefault: true }, 'smb-delete': { disabled: true } } },
  });
  const get = <T>(path: string): Promise<T> => cp.api.client.get<T>(path);
  const ready = async (name: string): Promise<string> => {
    const { metadata, status } = await get<SourceObject>(`/apis/helm.toolkit.fluxcd.io/v2/namespaces/${NAMESPACE}/helmreleases/${name}`);
    const condition = status?.conditions?.find(({ type }) => type === 'Ready');
    return `${metadata.generation}=${status?.observedGeneration} ${condition?.status} ${condition?.reason} ${condition?.message}`;
  };
  const containerOf = async (path: string, name: string): Promise<{ readonly image: string; readonly args: readonly string[] } | undefined> =>
    (await get<Workload>(`/apis/apps/v1/namespaces/${NAMESPACE}/${path}`)).spec.template.spec.containers.find((container) => container.name === name);
  const nodeArgs = async (): Promise<readonly string[] | undefined> => (await containerOf('daemonsets/synology-csi-node', 'csi-plugin'))?.args;
  const configMap = async (name: string): Promise<Readonly<Record<string, string>> | undefined> => (await get<{ data?: Record<string, string> }>(`/api/v1/namespaces/${NAMESPACE}/configmaps/${name}`)).data;

  await apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } } },
    { apiVersion: 'v1', kind: 'Secret', metadata: metadata('synology-csi-client-info'), stringData: { 'client-info.yaml': 'clients: []\n' } },
    source('HelmRepository', 'synology-csi', { url: 'https://christian-schlichtherle.github.io/synology-csi-chart' }),
    csi('0.11.x', '--iscsiadm-path=/one'),
    release('ring', {
      chart: { spec: { chart: './charts/ring', sourceRef: { kind: 'GitRepository', name: 'flux-system', namespace: 'flux-system' }, valuesFiles: ['charts/ring/values.yaml', 'charts/frodo.yaml'] } },
      values: { power: 9 },
    }),
    source('OCIRepository', 'mithril', {
      url: 'oci://registry.example.test/charts/mithril', ref: { semver: '>=2.1.0, <3' },
      layerSelector: { mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip', operation: 'copy' },
    }),
    source('HelmRepository', 'external-secrets', { type: 'oci', url: 'oci://ghcr.io/external-secrets/charts' }),
    release('external-secrets', {
      chart: { spec: { chart: 'external-secrets', version: '2.4.x', sourceRef: { kind: 'HelmRepository', name: 'external-secrets' } } }, values: { replicaCount: 2 },
    }),
    source('HelmRepository', 'podinfo', { url: 'https://stefanprodan.github.io/podinfo' }),
    release('podinfo', {
      chart: { spec: { chart: 'podinfo', version: '>=1.0.0-alpha', sourceRef: { kind: 'HelmRepository', name: 'podinfo' } } }, values: { redis: { enabled: true }, ingress: { enabled: true } },
    }),
    source('OCIRepository', 'gateway-helm', { url: 'oci://docker.io/envoyproxy/gateway-helm', ref: { semver: '>= 1.8.0-rc.0' } }),
    release('gateway-helm', { chartRef: { kind: 'OCIRepository', name: 'gateway-helm' } }),
    release('mithril', { chartRef: { kind: 'OCIRepository', name: 'mithril' } }),
  );
  for (const name of ['synology-csi', 'ring', 'external-secrets', 'podinfo', 'gateway-helm', 'mithril']) await eventually(host, `HelmRelease ${name} is Ready`, () => ready(name), /^(\d+)=\1 True InstallSucceeded /);

  assert.deepEqual((await nodeArgs())?.filter((arg) => /^--(chroot-dir|iscsiadm-path)=/.test(arg)), ['--chroot-dir=/host', '--iscsiadm-path=/one']);
  assert.ok(await get('/apis/storage.k8s.io/v1/csidrivers/csi.san.synology.com'));
  const classes = (await cp.api.client.list<KubeObject & { readonly reclaimPolicy: string }>('/apis/storage.k8s.io/v1/storageclasses')).items.map((each) => `${each.metadata.name}=${each.reclaimPolicy}`);
  assert.deepEqual(classes.sort(), ['iscsi-delete=Delete', 'iscsi-retain=Retain', 'nfs-delete=Delete', 'nfs-retain=Retain', 'smb-retain=Retain'].map((each) => `synology-csi-${each}`));
  const chart = await get<HelmChart>(`/apis/source.toolkit.fluxcd.io/v1/namespaces/${NAMESPACE}/helmcharts/${NAMESPACE}-synology-csi`);
  assert.equal(chart.status?.artifact?.revision, '0.11.1');
  assert.deepEqual([(await configMap('ring'))?.['bearer'], await configMap('finger')], ['frodo-9', undefined]);
  const wanted = { apiVersion: 'external-secrets.io/v1', kind: 'ExternalSecret', metadata: metadata('ring') };
  await apply({ ...wanted, spec: { secretStoreRef: { name: 'vault', kind: 'ClusterSecretStore' }, dataFrom: [{ extract: { key: 'ring' } }] } });
  await assert.rejects(apply({ ...wanted, spec: { secretStoreReff: { name: 'vault' } } }), /unknown field "spec\.secretStoreReff"/);
  await apply({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GatewayClass', metadata: { name: 'envoy' }, spec: { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' } });
  assert.equal((await containerOf('deployments/external-secrets', 'external-secrets'))?.image, 'ghcr.io/external-secrets/external-secrets:v2.4.1');
  assert.equal((await containerOf('deployments/podinfo', 'podinfo'))?.image, 'ghcr.io/stefanprodan/podinfo:6.14.1');
  assert.equal((await configMap('mithril-stand-in'))?.['version'], '2.1.0');
  const told = (await cp.api.client.list<KubeObject & { readonly reason: string; readonly involvedObject: { readonly name: string } }>(`/api/v1/namespaces/${NAMESPACE}/events?fieldSelector=source%3Dsource-controller`)).items;
  assert.deepEqual(told.map((event) => `${event.reason} ${event.involvedObject.name}`).sort(), [
    'ChartImitated synology-csi-external-secrets', 'ChartImitated synology-csi-podinfo', 'ChartImitated synology-csi-synology-csi', 'ChartKindsOnly gateway-helm', 'ChartUnknown mithril',
  ]);

  await apply(csi('0.11.x', '--iscsiadm-path=/two'));
  await eventually(host, 'new values are an upgrade', () => ready('synology-csi'), /^2=2 True UpgradeSucceeded /);
  assert.equal((await nodeArgs())?.at(-1), '--iscsiadm-path=/two');
  await apply(csi('0.9.99', '--iscsiadm-path=/two'));
  await eventually(host, 'a version that was never published is told', () => ready('synology-csi'), /False SourceNotReady .*invalid chart reference: .*no 'synology-csi' chart with version matching '0\.9\.99' found/);
}
