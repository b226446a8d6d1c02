import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Mount } from '../../../lab/kubernetes/volumes/node-volumes.ts';
import { openDesk, PASSWORD } from '../../storage/support.ts';
import { eventually, startControlPlane } from './control-plane.ts';
import { selfMadeMaterial } from './material.ts';
import { startNode } from './node.ts';

const NAS = '127.61.6.5';
const DRIVER = 'csi.san.synology.com';
const clientInfo = `clients:\n- { host: ${NAS}, port: 5001, https: true, username: firstlight, password: ${PASSWORD} }\n`;
const plugin = (more: readonly string[]): string => JSON.stringify({
  name: 'csi-plugin', image: 'synology/synology-csi:v1.2.1', args: ['--client-info=/etc/synology/client-info.yaml', ...more], volumeMounts: [{ name: 'client-info', mountPath: '/etc/synology' }],
});
const pod = (containers: readonly string[]): string => `{ metadata: { labels: { app: csi } }, spec: { containers: [${containers.join(', ')}], volumes: [{ name: client-info, secret: { secretName: client-info } }] } }`;

const CONTROLLER = `
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: { name: ${DRIVER} }
spec: { attachRequired: true, podInfoOnMount: true }
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: { name: synology-iscsi }
provisioner: ${DRIVER}
parameters: { dsm: ${NAS}, location: /volume1, protocol: iscsi }
reclaimPolicy: Retain
---
apiVersion: v1
kind: Secret
metadata: { name: client-info }
stringData: { client-info.yaml: ${JSON.stringify(clientInfo)} }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: csi }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }
subjects: [{ kind: ServiceAccount, name: default, namespace: default }]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: csi-controller }
spec:
  selector: { matchLabels: { app: csi } }
  template: ${pod([plugin([]), '{ name: p, image: registry.k8s.io/sig-storage/csi-provisioner:v6.1.0 }', '{ name: a, image: registry.k8s.io/sig-storage/csi-attacher:v4.10.0 }'])}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: shire }
spec:
  selector: { matchLabels: { app: shire } }
  template:
    metadata: { labels: { app: shire } }
    spec: { containers: [{ name: shire, image: shire, volumeMounts: [{ name: data, mountPath: /data }] }] }
  volumeClaimTemplates:
    - metadata: { name: data }
      spec: { accessModes: [ReadWriteOnce], storageClassName: synology-iscsi, resources: { requests: { storage: 1Gi } } }
`;
const NODE = (more: readonly string[]): string => `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: csi-node }
spec:
  selector: { matchLabels: { app: csi } }
  template: ${pod([plugin(more), `{ name: r, image: 'registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.15.0', args: [--kubelet-registration-path=$(REGISTRATION_PATH)], env: [{ name: REGISTRATION_PATH, value: /var/lib/kubelet/plugins/${DRIVER}/csi.sock }] }`])}
`;

test('Synology’s driver makes a volume, and mounts it only where its node plugin runs, with the arguments that Talos needs', async (t) => {
  await using desk = await openDesk(NAS);
  const { host, lab } = desk;
  const material = await selfMadeMaterial('cp-1', '127.61.6.11');
  const mounts: Mount[] = [];
  const initiator = 'iqn.2017-11.dev.talos:worker-1';
  const worker = startNode(material, { name: 'worker-1', address: '127.61.6.21', folder: host.scratch }, { initiator, onMount: (mount) => mounts.push(mount) });
  t.after(() => worker.end('kill'));
  const cp = await startControlPlane(material, host, { kind: 'new' });
  t.after(() => cp.stop());
  const apply = async (yaml: string): Promise<string> => {
    const file = join(host.scratch, 'apply.yaml');
    writeFileSync(file, yaml, { mode: 0o600 });
    return cp.kubectl('apply', '-f', file);
  };
  const events = () => cp.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}');

  await apply(CONTROLLER);
  await eventually(host, 'no driver on the node is told', events, /driver name csi\.san\.synology\.com not found in the list of registered CSI drivers/);
  const [lun] = lab.luns();
  assert.ok(lun?.mapped && lun.name.startsWith('k8s-csi-pvc-') && lun.bytes === 1024 ** 3);
  assert.equal(await cp.kubectl('get', 'volumeattachments', '-o', 'jsonpath={.items[*].status.attached}'), 'true');
  await apply(NODE([]));
  await eventually(host, 'the missing arguments are told', events, /chroot: failed to run command '\/usr\/bin\/env'/);
  assert.deepEqual([mounts.length, lab.sessions().length], [0, 0]);
  await apply(NODE(['--chroot-dir=/host', '--iscsiadm-path=/usr/local/sbin/iscsiadm']));
  await cp.kubectl('rollout', 'status', 'statefulset/shire', '--timeout=30s');
  assert.deepEqual(mounts.map(({ claim, finding }) => [claim, finding.kind]), [['default/data-shire-0', 'written']]);
  assert.deepEqual(lab.sessions().map((session) => session.initiator), [initiator]);
  assert.equal(await cp.kubectl('get', 'csinode', 'worker-1', '-o', 'jsonpath={.spec.drivers[*].name}'), DRIVER);
  assert.equal(lab.openLogins(), 0);

  await cp.kubectl('delete', 'pod', 'shire-0');
  await cp.kubectl('rollout', 'status', 'statefulset/shire', '--timeout=30s');
  await eventually(host, 'the same volume is mounted again', async () => mounts.at(-1)?.finding.kind ?? 'none', /^read back$/);
  assert.deepEqual([lab.luns().length, lab.corruptions().length], [1, 0]);
});
