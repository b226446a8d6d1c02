import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { openRehearsal } from '../../support/rehearsal.ts';

// Every section but the nodes and their network is optional, and one or three control planes make a quorum: the rest of the road still works.

for (const [inventory, absent] of [
  ['static-addresses', ['power:cp-1', 'initiator:cp-1', 'storage', 'csi-secret', 'flux', 'reconciled']],
  ['no-nas', ['storage', 'storage-proof', 'csi-secret']],
  ['three-control-planes-virtual-ip', ['storage', 'flux']],
] as const) {
  test(`a cluster as in ${inventory}.yaml comes up, without the steps of what it lacks`, async () => {
    const home = mkdtempSync(join(tmpdir(), 'firstlight-sections-'));
    const folder = join(home, 'machines', inventory);
    mkdirSync(folder, { recursive: true });
    copyFileSync(fileURLToPath(new URL(`../../inventories/valid/${inventory}.yaml`, import.meta.url)), join(folder, 'cluster.yaml'));
    const rehearsal = await openRehearsal(folder);
    try {
      const { result, facts } = await rehearsal.up();
      const ids = result.steps.map((end) => end.step.id);
      for (const id of absent) assert.ok(!ids.includes(id), `${id} should not be there`);
      for (const node of rehearsal.cluster.nodes) assert.ok(ids.includes(`ready:${node.name}`));
      const fromCard = rehearsal.cluster.network.maintenance === 'static';
      for (const node of rehearsal.cluster.nodes) assert.equal(facts.found.get(node.name)?.address === node.address, fromCard, `${node.name} had its own address before its config`);
      const controlPlanes = rehearsal.cluster.nodes.filter((node) => node.role === 'control plane');
      const members = result.steps.find((end) => end.step.id === 'etcd')!.detail.split(', ');
      assert.deepEqual(members.map((member) => member.split(' ')[0]).toSorted(), controlPlanes.map((node) => node.name).toSorted());
      const again = await rehearsal.up();
      assert.deepEqual(again.result.steps.filter((end) => end.end !== 'already').map((end) => end.step.id), []);
    } finally {
      await rehearsal.close();
      rmSync(home, { recursive: true, force: true });
    }
  });
}
