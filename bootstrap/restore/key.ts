import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { RestoreRecord } from '../../lib/lock-file.ts';
import { gitopsOf } from '../../gitops/repository.ts';
import { openHomelab } from '../../gitops/secrets/homelab.ts';
import { catchUp, requireBranch } from '../../gitops/secrets/own-branch.ts';
import { commitOwn } from '../../gitops/secrets/own-git.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { loadCluster } from '../../nodes/load.ts';
import type { Archive } from '../archive/types.ts';
import { readCredentials, writeCredentials } from '../credentials.ts';
import type { Facts } from '../facts.ts';
import { filesStep, recordSteps, roomOf, touched } from '../rotate.ts';
import type { Step } from '../step.ts';
import { REAL_PATIENCE } from '../up.ts';
import { gitBackStep } from './git.ts';
import { restoreOf } from './restore-of.ts';
import type { PartSight } from './types.ts';

/** Whether the credentials have the cluster's age identity: the one that belongs to its recipient. */
export async function lookAtKey(host: Host, facts: Facts): Promise<PartSight> {
  if (await hasKey(host, facts.cluster)) return { kind: 'well', told: 'in the credentials, and the one of its recipient' };
  return { kind: 'lost', told: 'the cluster’s age key is lost: the credentials have none that belongs to its recipient; your own opens the files', todo: 'the cluster gets a new age key: every file is encrypted for it, committed and pushed; Secret sops-age is replaced' };
}

/** The same facts for looks while something may be missing in the credentials: they are given as they are. */
export function openHanded(facts: Facts): Facts {
  return { ...facts, credentials: (host) => readCredentials(host, facts.cluster) };
}

/**
 * The cluster gets a new age key in the place of one that is lost: the files are decrypted by the owner's own. In order: what lies
 * uncommitted is kept, the new key is in the credentials before any file is for it, and what was encrypted is pushed. What holds the key in
 * Kubernetes comes after, as in `up`. With the git host lost, its repository comes first.
 */
export function keySteps(facts: Facts, record: RestoreRecord, archive: Archive): Step[] {
  const { cluster } = facts;
  const git = record.parts.includes('git') ? [gitBackStep(restoreOf(openHanded(facts), record, archive, REAL_PATIENCE), [])] : [];
  const steps = [newKeyStep(cluster), { ...filesStep(cluster), needs: ['key'] }, ...recordSteps(cluster, roomOf(cluster), ['files'])].map((step) => ({ ...step, part: 'Keys' }));
  return [...git, ...steps.map((step) => (step.id === 'key' ? { ...step, needs: git.map(({ id }) => id) } : step))];
}

function newKeyStep(cluster: Cluster): Step {
  return {
    id: 'key', part: 'Keys', title: 'A new age key of the cluster', needs: [],
    async observe(host) {
      if ((await readCredentials(host, cluster)).nextClusterIdentity !== undefined) return { state: 'done', detail: 'it is in the credentials' };
      return await hasKey(host, cluster) ? { state: 'done', detail: 'it has one' } : { state: 'needed', why: 'the old one is lost' };
    },
    async act(host) {
      const homelab = await openHomelab(host, cluster.repository);
      await requireBranch(host, homelab.root, gitopsOf(cluster).branch);
      await catchUp(host, homelab.root, await roomOf(cluster)(host));
      // What the loss left in the work tree would else go into the commits that follow, or stand in their way.
      await commitOwn(host, homelab.root, `Keep the files of ${cluster.name} as they were found`, await touched(host, homelab));
      const nextClusterIdentity = await generateX25519Identity();
      host.mask.add(nextClusterIdentity);
      await writeCredentials(host, cluster, { ...await readCredentials(host, cluster), nextClusterIdentity });
    },
  };
}

/** By the inventory as it lies on disk, which names another recipient once the files are encrypted anew. */
async function hasKey(host: Host, { folder }: Cluster): Promise<boolean> {
  const cluster = await loadCluster(folder);
  const declared = cluster.secrets.recipients.find(({ role }) => role === 'cluster')?.key;
  const { clusterIdentity } = await readCredentials(host, cluster);
  if (declared === undefined) throw problem('E_RESTORE_KEY', 'cluster.yaml names no recipient with role cluster', 'Add one under secrets.recipients.');
  return clusterIdentity !== undefined && await identityToRecipient(clusterIdentity.trim()).catch(() => undefined) === declared;
}
