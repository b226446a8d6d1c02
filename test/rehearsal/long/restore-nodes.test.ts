import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BackupDone } from '../../../bootstrap/archive/backup.ts';
import { applyObjects, getObjects } from '../../../gitops/kubectl.ts';
import { readLock } from '../../../lib/lock-file.ts';
import { wellAgain } from '../../support/rebuilt.ts';
import { openRehearsal, type Rehearsal } from '../../support/rehearsal.ts';
import { backupIn, restoreIn } from '../../support/restore.ts';

// A Gandalf with a backup loses all its cards at once, and a board.

const NODES = ['gandalf-cp-1', 'gandalf-w-1', 'gandalf-w-2', 'gandalf-w-3'];
let rehearsal: Rehearsal;
let kubeconfig: string;
let kept: BackupDone;

before(async () => {
  rehearsal = await openRehearsal(fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url)));
  ({ facts: { kubeconfig } } = await rehearsal.up());
  await applyObjects(rehearsal.host, kubeconfig, [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'kept', namespace: 'default' }, stringData: { value: 'kept-before' } }]);
  kept = await backupIn(rehearsal);
  await applyObjects(rehearsal.host, kubeconfig, [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'since', namespace: 'default' } }]);
});
after(() => rehearsal.close());

test('an archive is not restored over a cluster that lives, and nothing is touched', { timeout: 200_000 }, async () => {
  const from = rehearsal.host.events.length;
  await assert.rejects(restoreIn(rehearsal), { code: 'E_RESTORE_OLDER', message: /older than what lives .* revisions and .* seconds would be lost/ });
  assert.deepEqual(rehearsal.host.events.slice(from).filter(({ code }) => code === 'step.acting'), []);
  assert.equal((await readLock(join(rehearsal.world.clusterFolder, 'firstlight.lock.yaml'))).restore, undefined);
});

test('all cards are lost, and one board with its card: everything comes back from the backup, on a spare too', { timeout: 600_000 }, async () => {
  let mac: string | undefined;
  for (const node of NODES) {
    await rehearsal.world.kill(node, node === 'gandalf-w-2' ? 'both' : 'card');
    if (node === 'gandalf-w-2') mac = await rehearsal.world.spare(node);
    await rehearsal.world.blankCard(node);
  }
  const done = await restoreIn(rehearsal, {}, { hands: async ({ code, text }) => (code === 'rebuild.spare' && text.includes(mac!) ? 'yes' : undefined) });
  assert.deepEqual(done.macs, { 'gandalf-w-2': mac });
  assert.equal(done.cluster.nodes.find(({ name }) => name === 'gandalf-w-2')?.mac, mac);
  for (const node of NODES) await wellAgain(rehearsal, done.facts.kubeconfig, { record: { node, nonce: done.record.cards[node]! } });
  const objects = (...args: string[]) => getObjects(rehearsal.host, done.facts.kubeconfig, args);
  assert.equal((await objects('secret/kept')).length, 1);
  assert.equal((await objects('configmap/since')).length, 0, 'what came after the backup is lost');
  assert.deepEqual([done.record.parts, done.record.archive, Object.keys(done.record.cards).toSorted()], [['etcd'], kept.name, NODES]);
  assert.equal((await readLock(done.facts.lockFile)).restore, undefined);
});
