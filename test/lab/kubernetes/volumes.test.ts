import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments, stringify } from 'yaml';
import type { Mount } from '../../../lab/kubernetes/volumes/node-volumes.ts';
import { openLabTarget } from '../nas/target.ts';
import { eventually, startControlPlane, testHost } from './control-plane.ts';
import { selfMadeMaterial } from './material.ts';
import { startNode } from './node.ts';

const NAS = '127.61.5.5';
const IQN = 'iqn.2000-01.com.synology:gandalf-data';
const initiatorOf = (node: string): string => `iqn.2017-11.dev.talos:${node}`;

const APP = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: { name: nas-lun }
provisioner: kubernetes.io/no-provisioner
---
apiVersion: v1
kind: PersistentVolume
metadata: { name: gandalf-data }
spec:
  capacity: { storage: 8Mi }
  accessModes: [ReadWriteOnce]
  storageClassName: nas-lun
  persistentVolumeReclaimPolicy: Retain
  claimRef: { apiVersion: v1, kind: PersistentVolumeClaim, namespace: default, name: ring }
  iscsi: { targetPortal: '${NAS}:3260', iqn: '${IQN}', lun: 1, fsType: ext4, chapAuthSession: true, secretRef: { name: chap, namespace: default } }
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: ring }
spec: { accessModes: [ReadWriteOnce], storageClassName: nas-lun, volumeName: gandalf-data, resources: { requests: { storage: 8Mi } } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: shire }
spec:
  replicas: 1
  selector: { matchLabels: { app: shire } }
  template:
    metadata: { labels: { app: shire } }
    spec:
      tolerations:
        - { key: node.kubernetes.io/unreachable, effect: NoExecute, operator: Exists, tolerationSeconds: 1 }
      containers: [{ name: shire, image: shire, volumeMounts: [{ name: data, mountPath: /data }] }]
      volumes: [{ name: data, persistentVolumeClaim: { claimName: ring } }]
`;

test('a pod’s claim is a real session of its node with CHAP; its canary is read back on another node once the first is known to be gone', async (t) => {
  const host = testHost();
  await using lab = await openLabTarget(NAS);
  lab.add({ iqn: IQN, authType: 1, user: 'gandalf', password: 'secretsecret12' }, await lab.lun(8 * 1024 ** 2));
  const material = await selfMadeMaterial('cp-1', '127.61.5.11');
  const mounts: Mount[] = [];
  const kubelets = new Map(['worker-1', 'worker-2'].map((name, i) => [name, startNode(material, { name, address: `127.61.5.2${i}`, folder: host.scratch }, {
    initiator: initiatorOf(name), leaseMs: 500, onMount: (mount) => mounts.push(mount),
  })]));
  t.after(() => Promise.all([...kubelets.values()].map((kubelet) => kubelet.end('kill'))));
  const cp = await startControlPlane(material, host, { kind: 'new' }, { nodeGraceMs: 2_000 });
  t.after(() => cp.stop());
  const apply = async (yaml: string): Promise<string> => {
    const file = join(host.scratch, 'apply.yaml');
    writeFileSync(file, yaml, { mode: 0o600 });
    return cp.kubectl('apply', '-f', file);
  };
  const chap = (password: string): string => stringify({
    apiVersion: 'v1', kind: 'Secret', metadata: { name: 'chap', namespace: 'default' }, type: 'kubernetes.io/iscsi-chap',
    stringData: { 'node.session.auth.username': 'gandalf', 'node.session.auth.password': password },
  });
  const initiators = (): string[] => [...lab.state.sessions].map((session) => session.initiator);
  assert.equal(parseAllDocuments(APP).length, 4);

  await apply(chap('notthesecret12'));
  await apply(APP);
  await eventually(host, 'the wrong CHAP secret is told', () => cp.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}'), /MountVolume.MountDevice failed for volume "gandalf-data" : iSCSI at .*CHAP was refused/);
  assert.equal(await cp.kubectl('get', 'pods', '-o', 'jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}'), 'ContainerCreating');
  await apply(chap('secretsecret12'));
  await cp.kubectl('rollout', 'status', 'deployment/shire', '--timeout=30s');
  const [first] = mounts;
  assert.ok(first?.finding.kind === 'written' && first.finding.now.count === 1 && first.claim === 'default/ring');
  assert.deepEqual(initiators(), [initiatorOf(first.node)]);
  assert.match(await cp.kubectl('get', 'pvc', 'ring', '--no-headers'), /^ring +Bound +gandalf-data /);
  assert.match(await cp.kubectl('get', 'node', first.node, '-o', 'jsonpath={.status.volumesAttached[*].name}'), new RegExp(`^kubernetes.io/iscsi/${NAS}:3260:${IQN}:1$`));

  await kubelets.get(first.node)!.end('kill');
  await eventually(host, 'the NAS sees the session gone', async () => initiators().length === 0);
  await eventually(host, 'a second pod is held back', () => cp.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}'), /Multi-Attach error for volume "gandalf-data"/);
  assert.equal(mounts.length, 1);
  // Neither deleting the Node object nor the pod would do: Kubernetes then waits six minutes before it takes the volume for free.
  await cp.kubectl('taint', 'node', first.node, 'node.kubernetes.io/out-of-service=nodeshutdown:NoExecute');
  await cp.kubectl('delete', 'pods', '--field-selector', `spec.nodeName=${first.node}`, '--force', '--grace-period=0', '--wait=false');
  await cp.kubectl('rollout', 'status', 'deployment/shire', '--timeout=60s');
  const second = mounts.at(-1)!;
  assert.ok(second.node !== first.node && second.finding.kind === 'read back');
  assert.deepEqual([second.finding.before.count, second.finding.before.node, second.finding.now?.count], [1, first.node, 2]);
  assert.match(await cp.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}'), new RegExp(`canary 1 of default/ring, written by ${first.node}, read back`));
  assert.deepEqual(initiators(), [initiatorOf(second.node)]);

  await cp.kubectl('scale', 'deployment/shire', '--replicas=0');
  await eventually(host, 'the last pod logged out', async () => initiators().length === 0);
  assert.deepEqual(lab.state.corruptions, []);
});
