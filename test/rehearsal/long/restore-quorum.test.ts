import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import type { BackupDone } from '../../../bootstrap/archive/backup.ts';
import { applyObjects, getObjects } from '../../../gitops/kubectl.ts';
import type { Question } from '../../../lib/host.ts';
import { readLock } from '../../../lib/lock-file.ts';
import { wellAgain } from '../../support/rebuilt.ts';
import { openRehearsal, type Rehearsal } from '../../support/rehearsal.ts';
import { backupIn, restoreIn, restoreInPieces } from '../../support/restore.ts';

// Three control planes and a worker: two control planes die at once, and with them the quorum. The third still has its data.

const gandalf = fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'firstlight-quorum-'));
const DEAD = ['cp-1', 'cp-2'];
let rehearsal: Rehearsal;
let kept: BackupDone;

before(async () => {
  cpSync(dirname(dirname(gandalf)), home, { recursive: true });
  const path = join(home, 'machines/gandalf/cluster.yaml');
  const file = parseDocument(readFileSync(path, 'utf8'));
  for (const section of ['nas', 'gitops', 'backup']) file.delete(section);
  file.setIn(['network', 'endpoint'], 'https://192.168.77.10:6443');
  file.set('nodes', file.createNode([...DEAD, 'cp-3', 'w-1'].map((name, index) => ({
    name, role: name.startsWith('cp') ? 'control plane' : 'worker', mac: `dc:a6:32:77:01:${11 + index}`, address: `192.168.77.${11 + index}`, port: index + 1,
  }))));
  writeFileSync(path, String(file));
  rehearsal = await openRehearsal(dirname(path));
  const { facts } = await rehearsal.up();
  kept = await backupIn(rehearsal);
  await applyObjects(rehearsal.host, facts.kubeconfig, [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'since', namespace: 'default' }, stringData: { value: 'after-the-backup' } }]);
  for (const node of DEAD) {
    await rehearsal.world.kill(node, 'card');
    await rehearsal.world.blankCard(node);
  }
});
after(async () => {
  await rehearsal.close();
  rmSync(home, { recursive: true, force: true });
});

const lock = () => readLock(join(rehearsal.world.clusterFolder, 'firstlight.lock.yaml'));
const typed = async (question: Question): Promise<string | undefined> => (question.code === 'restore.wipe' ? 'gandalf' : undefined);

test('the archive is refused where the living control plane knows more, and nothing is wiped without the cluster’s name', { timeout: 300_000 }, async () => {
  const from = rehearsal.host.events.length;
  await assert.rejects(restoreIn(rehearsal, { named: kept.name }), { code: 'E_RESTORE_OLDER', message: /older than what cp-3 still has: \d+ revisions and \d+ seconds/ });
  await assert.rejects(restoreIn(rehearsal, {}, { hands: async (question) => (question.code === 'restore.wipe' ? 'yes' : undefined) }), { code: 'E_RESTORE_KEPT' });
  assert.deepEqual(rehearsal.host.events.slice(from).filter(({ code }) => code === 'step.acting'), []);
  assert.equal((await lock()).restore, undefined);
});

test('cut off at every boundary it goes on: what the living one had comes back on all three, and it is wiped once', { timeout: 1_800_000 }, async () => {
  const from = rehearsal.host.events.length;
  const { boundaries, done } = await restoreInPieces(rehearsal, {}, typed);
  for (const step of ['fence:cp-1', 'card:cp-2', 'config:cp-1', 'reset:cp-3', 'etcd']) assert.ok(boundaries.includes(`acting ${step}`), `${step} in ${boundaries.join(', ')}`);
  assert.ok(rehearsal.host.events.slice(from).filter(({ code }) => code === 'intent.reset').length <= 2, 'a wipe that was done is not done again');
  for (const node of DEAD) await wellAgain(rehearsal, done.facts.kubeconfig, { record: { node, nonce: done.record.cards[node]! } });
  assert.equal((await getObjects(rehearsal.host, done.facts.kubeconfig, ['secret/since'])).length, 1, 'the later state was taken');
  assert.deepEqual([(await lock()).restore, Object.keys(done.record.cards).toSorted()], [undefined, DEAD]);
});
