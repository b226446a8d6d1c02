import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { memoryReport, requireMemory } from '../../bootstrap/memory.ts';
import { builtManifests } from '../../gitops/manifests.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { loadCluster } from '../../nodes/load.ts';
import { testHost } from '../support/host.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/homelab', import.meta.url));
const host = testHost();
after(() => host.remove());
const folder = join(host.scratch, 'homelab');
let cluster: Cluster;
beforeEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  cpSync(EXAMPLE, folder, { recursive: true });
  cluster = await loadCluster(join(folder, 'machines/gandalf'));
});

const edit = (file: string, from: string | RegExp, to: string): void => {
  const text = readFileSync(join(folder, file), 'utf8');
  assert.notEqual(text.replace(from, to), text, `${file} has no ${from}`);
  writeFileSync(join(folder, file), text.replace(from, to));
};
const report = () => memoryReport(host, cluster, cluster.gitops!, folder);
const PODINFO = 'apps/base/podinfo/deployment.yaml';

test('the example fits, Flux included, and says how much is left', async () => {
  const { summary, faults } = await report();
  assert.deepEqual(faults.map((fault) => fault.message), []);
  assert.match(summary, /^by their limits pods take at most [\d.]+ GiB of 7 GiB \(gandalf-w-\d\)/);
});

test('what does not fit is told at its container, with what the nodes have', async () => {
  edit(PODINFO, 'memory: 128Mi', 'memory: 7Gi');
  edit('apps/gandalf/podinfo-patch.yaml', /replicas: \d+/, 'replicas: 3');
  await assert.rejects(requireMemory(host, cluster, cluster.gitops!, folder), (error: { code?: string; message: string; where?: object }) => {
    assert.equal(error.code, 'E_MEMORY_BUDGET');
    assert.match(error.message, /^Deployment podinfo\/podinfo: 3 pods of 7 GiB find no room beside the others \(gandalf-cp-1 /);
    const { line, ...where } = error.where as { line: number };
    assert.deepEqual(where, { file: PODINFO, col: 9 });
    assert.match(readFileSync(join(folder, PODINFO), 'utf8').split('\n')[line - 1]!, /- name: podinfo/);
    return true;
  });
});

test('the budget in the inventory counts', async () => {
  edit(PODINFO, 'memory: 128Mi', 'memory: 3Gi');
  assert.deepEqual((await report()).faults, []);
  cluster = { ...cluster, nodes: cluster.nodes.map((node) => ({ ...node, memory: 2 * 2 ** 30 })) };
  assert.deepEqual((await report()).faults.map(({ code }) => code), ['E_MEMORY_BUDGET']);
});

test('all mistakes are told together, and no object is lost by patches, targets or substitution', async () => {
  edit('clusters/gandalf/apps.yaml', './apps/gandalf', './apps/base/podinfo');
  edit('clusters/gandalf/apps.yaml', '  prune: true', `  targetNamespace: elsewhere
  patches:
    - patch: |
        - { op: replace, path: /spec/template/spec/containers/0/resources/limits/memory, value: "\${limit:=20Gi}" }
      target: { kind: Deployment, name: podinfo }
  postBuild: { substitute: { other: x } }
  prune: true`);
  writeFileSync(join(folder, 'clusters/gandalf/extra.yaml'), `apiVersion: apps/v1
kind: DaemonSet
metadata: { name: logs, namespace: kube-system }
spec:
  template:
    spec:
      containers: [{ name: logs, volumeMounts: [{ name: buffer, mountPath: /buffer }] }]
      volumes:
        - name: buffer
          emptyDir: { medium: Memory }
`);
  const { faults } = await report();
  assert.deepEqual(faults.map(({ code, where }) => [code, where.file, where.line]), [
    ['E_MEMORY_VOLUME_SIZE', 'clusters/gandalf/extra.yaml', 9], ['E_MEMORY_VOLUME_LIMIT', 'clusters/gandalf/extra.yaml', 7],
    ['E_MEMORY_BUDGET', PODINFO, faults[2]!.where.line],
  ]);
  assert.match(faults[2]!.message, /Deployment elsewhere\/podinfo: .* of 20 GiB/);
});

test('a repository without the cluster’s folder has nothing in it yet', async () => {
  assert.deepEqual(await builtManifests(host, folder, 'clusters/merlin'), []);
});

test('a folder that is not there and one that cannot be built are told by their Kustomization', async () => {
  edit('clusters/gandalf/monitoring.yaml', 'path: ./monitoring', 'path: ./watching');
  await assert.rejects(builtManifests(host, folder, 'clusters/gandalf'), { code: 'E_GIT_LAYOUT', message: 'Flux is to apply watching, which the GitOps repository does not have', where: { file: 'clusters/gandalf/monitoring.yaml' } });
  edit('apps/gandalf/kustomization.yaml', '../base/podinfo', '../base/absent');
  await assert.rejects(builtManifests(host, folder, 'clusters/gandalf'), (error: { problems?: { code: string }[] }) => {
    assert.deepEqual(error.problems?.map(({ code }) => code), ['E_MANIFESTS', 'E_GIT_LAYOUT']);
    return true;
  });
  edit('apps/gandalf/kustomization.yaml', '../base/absent', '../base/podinfo');
  edit('clusters/gandalf/monitoring.yaml', 'path: ./watching', 'path: ./monitoring');
  edit('monitoring/kustomization.yaml', 'namespace.yaml', 'missing.yaml');
  await assert.rejects(builtManifests(host, folder, 'clusters/gandalf'), (error: { code?: string; message: string }) => {
    assert.equal(error.code, 'E_MANIFESTS');
    assert.ok(error.message.includes('missing.yaml') && !error.message.includes(host.scratch), error.message);
    return true;
  });
});
