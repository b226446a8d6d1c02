import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFile, mkdir, writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { builtInPatch } from '../../talos/patches/built-in.ts';
import { virtualAddress } from '../../talos/patches/network.ts';
import { patchFiles } from '../../talos/patches/layers.ts';
import { writeWhole } from '../../lib/files.ts';
import { exampleCluster, exampleNode } from './example.ts';

const IMAGE = 'factory.talos.dev/metal-installer/0123abcd:v1.x.0';

export const TALOS = ['v1.11.0', 'v1.12.7', 'v1.13.5', 'v1.14.1'] as const;

for (const version of TALOS) {
  for (const name of ['cp-1', 'worker-1']) {
    test(`the built-in patch of ${name} for Talos ${version} is as kept (UPDATE_GOLDEN=1 writes it)`, async () => {
      const cluster = exampleCluster('/nowhere', { talos: { ...exampleCluster('/nowhere').talos, version } });
      const node = cluster.nodes.find((each) => each.name === name);
      assert.ok(node);
      const text = builtInPatch(cluster, node, IMAGE);
      const path = join(import.meta.dirname, 'golden', `${version.split('.').slice(0, 2).join('.')}-${name}.yaml`);
      if (process.env['UPDATE_GOLDEN'] === '1') await writeWhole(path, text);
      assert.equal(text, await readFile(path, 'utf8'));
      assert.equal(builtInPatch(structuredClone(cluster), structuredClone(node), IMAGE), text);
    });
  }
}

test('without name servers, time servers and labels the patch has no empty sections', () => {
  const plain = exampleCluster('/nowhere');
  for (const version of TALOS) {
    const cluster = { ...plain, talos: { ...plain.talos, version }, network: { ...plain.network, dns: [], ntp: [] } };
    const text = builtInPatch(cluster, exampleNode('worker-2', 'worker', 22), IMAGE);
    assert.doesNotMatch(text, /nameservers|servers|nodeLabels|labels|\{\}|\[\]|null/);
    assert.ok(parseAllDocuments(text).every((document) => document.errors.length === 0));
  }
});

test('from Talos 1.14 on the config says whether workloads are isolated: they are, unless the owner tells otherwise', () => {
  const said = (version: string, workloadIsolation?: boolean): string | undefined => {
    const plain = exampleCluster('/nowhere');
    const cluster = { ...plain, talos: { ...plain.talos, version, ...(workloadIsolation === undefined ? {} : { workloadIsolation }) } };
    return /workloadIsolation: \w+/.exec(builtInPatch(cluster, cluster.nodes[1]!, IMAGE))?.[0];
  };
  assert.deepEqual([said('1.13.5'), said('1.14.1'), said('1.14.1', true), said('1.14.1', false)], [undefined, 'workloadIsolation: true', 'workloadIsolation: true', 'workloadIsolation: false']);
});

test('where LUNs are for claims, the kubelet has iscsiadm; where a CSI driver mounts them, it needs none', () => {
  const claim = { namespace: 'home', name: 'notes', fsType: 'ext4' as const };
  const said = (version: string, claimed: boolean, workloadIsolation?: boolean): object | undefined => {
    const plain = exampleCluster('/nowhere');
    const nas = { address: '192.168.77.5', https: true, port: 5001, user: 'u', iscsiPort: 3260, volume: '/volume1', luns: [{ name: 'data', bytes: 1, iqn: 'iqn.2000-01.com.synology:data', user: 'u', ...(claimed ? { claim } : {}) }] };
    const cluster = { ...plain, nas, kubernetes: { version: '1.34.4' }, talos: { ...plain.talos, version, ...(workloadIsolation === undefined ? {} : { workloadIsolation }) } };
    const documents = parseAllDocuments(builtInPatch(cluster, cluster.nodes[1]!, IMAGE)).map((each) => each.toJS() as { kind?: string; image?: string; machine?: { kubelet?: object } });
    return documents.find((each) => each.machine?.kubelet)?.machine?.kubelet ?? documents.find((each) => each.kind === 'KubeletConfig');
  };
  const image = 'ghcr.io/siderolabs/kubelet:v1.34.4-fat';
  assert.deepEqual([said('1.11.0', true), said('1.13.5', true), said('1.14.1', true, false)], [{ image }, { image }, { apiVersion: 'v1alpha1', kind: 'KubeletConfig', image }]);
  assert.deepEqual([said('1.11.0', false), said('1.14.1', true)], [undefined, undefined]);
});

test('the endpoint is a virtual address only inside the subnet and when no node has it', () => {
  const at = (endpoint: string) => { const cluster = exampleCluster('/nowhere'); return virtualAddress({ ...cluster, network: { ...cluster.network, endpoint } }); };
  assert.equal(at('https://192.168.77.10:6443'), '192.168.77.10');
  assert.equal(at('https://192.168.77.11:6443'), undefined);
  assert.equal(at('https://192.168.78.10:6443'), undefined);
  assert.equal(at('https://gandalf.example:6443'), undefined);
});

test('patch files are laid all, role, node; a file named after a node is only its own; strays are refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'firstlight-patches-'));
  try {
    const cluster = exampleCluster(folder);
    const [cp, one, two] = cluster.nodes;
    assert.ok(cp && one && two);
    assert.deepEqual(await patchFiles(cluster, cp), []);
    await mkdir(join(folder, 'patches'));
    for (const name of ['all.yaml', 'all-2.yaml', 'worker.yaml', 'worker-1.yaml', 'worker-gpu.yaml', 'controlplane.yaml', 'notes.md']) await writeFile(join(folder, 'patches', name), '{}');
    const names = async (node: typeof cp) => (await patchFiles(cluster, node)).map((path) => path.split('/').at(-1));
    assert.deepEqual(await names(cp), ['all-2.yaml', 'all.yaml', 'controlplane.yaml']);
    assert.deepEqual(await names(one), ['all-2.yaml', 'all.yaml', 'worker-gpu.yaml', 'worker.yaml', 'worker-1.yaml']);
    assert.deepEqual(await names(two), ['all-2.yaml', 'all.yaml', 'worker-gpu.yaml', 'worker.yaml']);
    await writeFile(join(folder, 'patches', 'wroker.yaml'), '{}');
    await assert.rejects(patchFiles(cluster, cp), { code: 'E_PATCH_NAME', message: /wroker\.yaml/ });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
