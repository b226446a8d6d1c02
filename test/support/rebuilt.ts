import assert from 'node:assert/strict';
import { getObjects } from '../../gitops/kubectl.ts';
import { refuseCorruption } from '../../lab/nas/verdict.ts';
import { readLock } from '../../lib/lock-file.ts';
import { loadCluster } from '../../nodes/load.ts';
import type { Rehearsal } from './rehearsal.ts';

/**
 * What holds after every rebuild, by the real programs: kubectl has exactly the declared nodes, all Ready; etcdctl has exactly the control
 * planes; nothing is bound or attached to a node that is not there; each LUN has sessions of declared nodes only, one writer, and its
 * canary was read back; the lock file knows the new card and no rebuild is under way.
 */
export async function wellAgain({ world, host }: Rehearsal, kubeconfig: string, { record }: { readonly record: { readonly node: string; readonly nonce?: string } }): Promise<void> {
  const cluster = await loadCluster(world.clusterFolder);
  const declared = cluster.nodes.map((node) => node.name).toSorted();
  const nodes = await getObjects(host, kubeconfig, ['nodes']);
  const ready = nodes.filter((node) => node.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True'));
  assert.deepEqual(ready.map((node) => node.metadata.name).toSorted(), declared, 'kubectl get nodes');
  assert.equal(nodes.length, declared.length, 'no ghosts');
  for (const node of nodes) assert.equal(node.spec?.['unschedulable'], undefined, `${node.metadata.name} is not cordoned`);
  const { stdout } = await host.run({ program: 'etcdctl', args: ['member', 'list', '--write-out=json'], env: world.etcdSettings() });
  const members = (JSON.parse(stdout) as { members: { name: string; isLearner?: boolean }[] }).members;
  assert.deepEqual(members.map((member) => member.name).toSorted(), cluster.nodes.filter((node) => node.role === 'control plane').map((node) => node.name).toSorted(), 'etcdctl member list');
  assert.ok(members.every((member) => !member.isLearner));
  for (const pod of await getObjects(host, kubeconfig, ['pods', '--all-namespaces'])) {
    const on = pod.spec?.['nodeName'];
    if (on !== undefined) assert.ok(declared.includes(String(on)), `${pod.metadata.name} is bound to ${String(on)}`);
  }
  for (const attachment of await getObjects(host, kubeconfig, ['volumeattachments'])) assert.equal(attachment.status?.['attached'], true, `${attachment.metadata.name} is attached`);
  const lock = await readLock(`${world.clusterFolder}/firstlight.lock.yaml`);
  assert.equal(lock.rebuild, undefined);
  assert.match(lock.cards[record.node] ?? '', /^[0-9a-f]{32}$/);
  if (record.nonce !== undefined) assert.equal(lock.cards[record.node], record.nonce);
  if (!world.nas) return;
  refuseCorruption(world.nas);
  const addresses = cluster.nodes.map((node) => node.address);
  const sessions = world.nas.sessions();
  for (const session of sessions) assert.ok(addresses.includes(session.address), `${session.address} holds a session`);
  assert.equal(new Set(sessions.map((session) => session.initiator)).size, sessions.length, 'one session of each initiator');
  assert.equal(world.mounts.at(-1)?.finding.kind, 'read back', JSON.stringify(world.mounts.at(-1)));
}
