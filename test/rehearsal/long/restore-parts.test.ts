import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { identityToRecipient } from 'age-encryption';
import { readCredentials, writeCredentials } from '../../../bootstrap/credentials.ts';
import { getObjects, kubectl } from '../../../gitops/kubectl.ts';
import { readLock } from '../../../lib/lock-file.ts';
import { loadCluster } from '../../../nodes/load.ts';
import { openRehearsal, type Rehearsal } from '../../support/rehearsal.ts';
import { backupIn, restoreIn } from '../../support/restore.ts';

// The nodes of a Gandalf live on, and all else is lost at once: the NAS's configuration, the git host, the cluster's age key.

let rehearsal: Rehearsal;
let kubeconfig: string;

before(async () => {
  rehearsal = await openRehearsal(fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url)));
  ({ facts: { kubeconfig } } = await rehearsal.up());
  await backupIn(rehearsal);
});
after(() => rehearsal.close());

test('NAS, git host and key are brought back around a cluster that lives, and its etcd is left alone', { timeout: 600_000 }, async () => {
  const { world, host } = rehearsal;
  const [uid] = await getObjects(host, kubeconfig, ['namespace/kube-system']);
  const cluster = await loadCluster(world.clusterFolder);
  const luns = world.nas!.luns().map(({ uuid }) => uuid);
  await world.nas!.forgetConfiguration();
  const { clusterIdentity: lost, ...rest } = await readCredentials(host, cluster);
  await writeCredentials(host, cluster, rest);
  await kubectl(host, kubeconfig, ['delete', 'secret', 'sops-age', '-n', 'flux-system']);
  await world.git!.lose();
  await world.git!.create('homelab.git', 'main');
  const done = await restoreIn(rehearsal);
  assert.deepEqual([done.record.parts, Object.keys(done.record.cards)], [['nas', 'git', 'key'], []]);
  const after = await loadCluster(world.clusterFolder);
  assert.equal(after.gitops!.hostKey, world.git!.hostKey);
  const { clusterIdentity } = await readCredentials(host, after);
  assert.notEqual(clusterIdentity, lost);
  assert.equal(await identityToRecipient(clusterIdentity!), after.secrets.recipients.find(({ role }) => role === 'cluster')?.key);
  assert.deepEqual(world.nas!.luns().map(({ uuid }) => uuid), luns, 'no LUN was made');
  const objects = (...args: string[]) => getObjects(host, done.facts.kubeconfig, args);
  assert.equal((await objects('namespace/kube-system'))[0]!.metadata['uid'], uid!.metadata['uid']);
  const kustomizations = await objects('kustomizations.kustomize.toolkit.fluxcd.io', '-A');
  assert.ok(kustomizations.length > 3 && kustomizations.every(({ status }) => status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True')));
  assert.equal((await readLock(done.facts.lockFile)).restore, undefined);
  await assert.rejects(restoreIn(rehearsal), { code: /E_RESTORE_(NOTHING|OLDER)/ });
});
