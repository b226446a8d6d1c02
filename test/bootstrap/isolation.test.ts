import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { isolationMatters, isolationReport } from '../../bootstrap/isolation.ts';
import { NODE_MANUAL, persistentVolume } from '../../gitops/volume-manifests.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { testHost } from '../support/host.ts';
import { exampleCluster } from '../talos/example.ts';

function clusterOf(folder: string, version: string, workloadIsolation?: boolean): Cluster {
  const plain = exampleCluster(folder);
  return {
    ...plain, talos: { ...plain.talos, version, ...(workloadIsolation === undefined ? {} : { workloadIsolation }) },
    nas: { address: '192.168.77.5', https: true, port: 5001, user: 'a', iscsiPort: 3260, volume: '/volume1', luns: [] },
    gitops: { url: 'ssh://git@192.168.77.6:22/homelab.git', branch: 'main', path: 'clusters/gandalf', hostKey: '' },
  };
}

test('isolated workloads: volumes of Kubernetes’ own iSCSI plugin are told with their places; elsewhere they are fine', async () => {
  const host = testHost();
  try {
    const folder = join(host.scratch, 'homelab');
    const cluster = clusterOf(folder, '1.14.1');
    mkdirSync(join(folder, 'clusters/gandalf'), { recursive: true });
    const iscsi = { targetPortal: '192.168.77.5:3260', iqn: 'iqn.2000-01.com.synology:data', lun: 1 };
    const write = (name: string, object: object): void => writeFileSync(join(folder, 'clusters/gandalf', name), stringify(object));
    write('config.yaml', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { iscsi: 'no volume' } });
    write('csi.yaml', { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'good' }, spec: { csi: { driver: 'csi.san.synology.com', volumeHandle: 'x' } } });
    assert.equal(await isolationReport(host, cluster, folder), 'Talos 1.14.1 isolates workloads: iSCSI volumes come by a CSI driver');

    const claim = { namespace: 'home', name: 'notes', fsType: 'ext4' as const };
    const claimed = { ...cluster, nas: { ...cluster.nas!, luns: [{ name: 'data', bytes: 1, iqn: iscsi.iqn, user: 'u', claim }] } };
    write('lun.yaml', persistentVolume(claimed, claimed.nas, { lun: claimed.nas.luns[0]!, claim, uuid: 'u', number: 1 }));
    assert.match(await isolationReport(host, claimed, folder), /; ! nothing in the repository brings the CSI driver org\.democratic-csi\.node-manual/);
    write('driver.yaml', { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: NODE_MANUAL }, spec: {} });
    assert.equal(await isolationReport(host, claimed, folder), 'Talos 1.14.1 isolates workloads: iSCSI volumes come by a CSI driver');

    write('data.yaml', { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'own' }, spec: { capacity: { storage: '1Gi' }, iscsi } });
    const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'a', image: 'a' }], volumes: [{ name: 'e', emptyDir: {} }, { name: 'd', iscsi }] } };
    write('app.yaml', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'app' }, spec: { selector: { matchLabels: { app: 'a' } }, template } });
    const told = await isolationReport(host, cluster, folder);
    assert.match(told, /; ! no pod can mount /);
    assert.match(told, /PersistentVolume own \(clusters\/gandalf\/data\.yaml:\d+:\d+\)/);
    assert.match(told, /Deployment app \(clusters\/gandalf\/app\.yaml:\d+:\d+\)/);
    assert.doesNotMatch(told, /good|ConfigMap/);
    assert.match(await isolationReport(host, clusterOf(folder, '1.14.1', false), folder), /^workloads are not isolated/);
  } finally {
    host.remove();
  }
});

test('there is something to say only with a NAS and from Talos 1.14 on', () => {
  const says = (version: string): boolean => isolationMatters(clusterOf('/nowhere', version));
  assert.deepEqual(['1.11.0', 'v1.13.9', '1.14.0', 'v1.14.1', '1.15.0', '2.0.0'].map(says), [false, false, true, true, true, true]);
  const { nas, ...without } = clusterOf('/nowhere', '1.14.1');
  assert.ok(nas && !isolationMatters(without));
});
