import { join, relative } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ensureAgeSecret, heldIdentities } from '../gitops/age-secret.ts';
import { done, needed } from '../gitops/observation.ts';
import { openRepository, gitopsOf, type Repository } from '../gitops/repository.ts';
import { REKEYED } from '../gitops/secrets/ages.ts';
import { replaceRecipients } from '../gitops/secrets/escrow.ts';
import { openHomelab, readersOf, secretFiles, type Homelab } from '../gitops/secrets/homelab.ts';
import { catchUp, pushToFlux, requireBranch, requireCommitted, standing } from '../gitops/secrets/own-branch.ts';
import { commitOwn, literal, ownGit } from '../gitops/secrets/own-git.ts';
import { rekeyAll, rekeyingsOf } from '../gitops/secrets/rekey.ts';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { clusterIdentities } from '../nodes/credentials.ts';
import { loadCluster } from '../nodes/load.ts';
import { credentialsPath, readCredentials, writeCredentials } from './credentials.ts';
import type { Facts } from './facts.ts';
import { answeringStep } from './follow.ts';
import type { Step } from './step.ts';
import { reconciledStep } from './steps/gitops.ts';

const PART = 'Rotation';

/**
 * The steps that give a cluster a new age key. Each looks before it acts, so that the same command goes on where another was cut
 * off; what says that a rotation is under way is `nextClusterIdentity` in the credentials. Flux never sees a commit it can't
 * decrypt: the cluster holds both keys before the files change, and the old one goes when Flux has followed.
 */
export function rotateSteps(facts: Facts, deadlineMs: number): Step[] {
  const { cluster } = facts;
  const room = roomOf(cluster);
  const kubernetes = answeringStep(facts, deadlineMs, 'A rotation needs the cluster, so that its Flux can always decrypt. What was done so far stays and does no harm; bring the cluster up (`firstlight up`), then run the same command again.');
  return [
    kubernetes,
    keyStep(cluster, room),
    bothStep(facts),
    filesStep(cluster),
    pushStep('push', 'The new encryption at the git host', cluster, room, ['files']),
    { ...reconciledStep(facts, room), part: PART, title: 'Flux has followed', needs: ['push'] },
    oneStep(facts, room),
    ...recordSteps(cluster, room, ['one']),
  ];
}

/** The last of these steps alone: for a rotation that was cut off when the new key was the only one, but not yet told to the git host. */
export function rotateEndSteps(cluster: Cluster): Step[] {
  return recordSteps(cluster, roomOf(cluster), []);
}

/**
 * Where a cluster's key stands: `under way` where a rotation was begun, `cut off` where all of one was done but its last commit, else
 * since when (ISO) the key is the cluster's, if that is known. Throws `E_SOPS_…`.
 */
export async function rotationState(host: Host, cluster: Cluster): Promise<{ readonly underWay: boolean; readonly cutOff: boolean; readonly since: string | undefined }> {
  const { nextClusterIdentity, clusterIdentitySince } = await readCredentials(host, cluster);
  const underWay = nextClusterIdentity !== undefined;
  return { underWay, cutOff: !underWay && await committedUnderWay(host, cluster), since: clusterIdentitySince };
}

/** Whether the credentials as they were last committed hold a next key: names stay readable in what sops encrypts. */
async function committedUnderWay(host: Host, cluster: Cluster): Promise<boolean> {
  const path = relative(cluster.repository, credentialsPath(cluster));
  const { exitCode, stdout } = await host.run({ program: 'git', args: ['show', `HEAD:./${path}`], cwd: cluster.repository, accept: 'any' });
  return exitCode === 0 && /^nextClusterIdentity:/m.test(stdout);
}

/** The new key takes the old one's place in the credentials, and that is committed and pushed. */
export function recordSteps(cluster: Cluster, room: Room, needs: readonly string[]): Step[] {
  return [recordStep(cluster, needs), pushStep('push-record', 'The end of it at the git host', cluster, room, ['record'])];
}

/** Opens the repository at the git host, as it is now. */
export type Room = (host: Host) => Promise<Repository>;

/** The room of a cluster's repository. */
export function roomOf(cluster: Cluster): Room {
  return async (host) => openRepository(host, cluster, await readCredentials(host, cluster));
}

function keyStep(cluster: Cluster, room: Room): Step {
  return {
    id: 'key', part: PART, title: 'A new key, kept beside the old one', needs: ['kubeconfig'],
    async observe(host) {
      return (await readCredentials(host, cluster)).nextClusterIdentity === undefined ? needed('the cluster has one key') : done('the next key is in the credentials');
    },
    async act(host) {
      const homelab = await openHomelab(host, cluster.repository);
      await requireBranch(host, homelab.root, gitopsOf(cluster).branch);
      if ((await rotationState(host, cluster)).cutOff) await commitRecord(host, cluster);
      await requireCommitted(host, homelab.root, await touched(host, homelab));
      rekeyingsOf(homelab, await secretFiles(host, homelab));
      await catchUp(host, homelab.root, await room(host));
      const nextClusterIdentity = await generateX25519Identity();
      host.mask.add(nextClusterIdentity);
      await writeCredentials(host, await loadCluster(cluster.folder), { ...await readCredentials(host, cluster), nextClusterIdentity });
    },
  };
}

function bothStep(facts: Facts): Step {
  return {
    id: 'both', part: PART, title: 'Both keys in the cluster', needs: ['key'],
    async observe(host) {
      const next = await nextOf(host, facts.cluster);
      return (await heldIdentities(host, facts.kubeconfig))?.includes(next) ? done('Secret sops-age holds the next key') : needed('Secret sops-age lacks the next key');
    },
    async act(host) {
      const held = await heldIdentities(host, facts.kubeconfig) ?? [];
      await ensureAgeSecret(host, facts.kubeconfig, [...new Set([...held, ...clusterIdentities(await readCredentials(host, facts.cluster))])]);
    },
  };
}

/** Every file is for the key that comes (`nextClusterIdentity`), and no longer for the one that goes; committed. */
export function filesStep(cluster: Cluster): Step {
  return {
    id: 'files', part: PART, title: 'Every file encrypted anew', needs: ['both'],
    danger: 'Older commits stay readable with the old key: what they hold is only safe once the values change too.',
    async observe(host) {
      const homelab = await openHomelab(host, cluster.repository);
      const next = await identityToRecipient(await nextOf(host, cluster));
      const files = await secretFiles(host, homelab);
      if (ownKey(homelab, cluster) !== next) return needed('cluster.yaml names the old key');
      // Also files that somebody else brought in meanwhile, for the old key.
      const left = rekeyingsOf(homelab, files);
      if (left.length > 0) return needed(`${left.length} files are for other recipients than the inventory says`);
      const open = files.filter(({ content }) => content.kind === 'encrypted' && content.recipients.includes(next));
      const { stdout } = await ownGit(host, homelab.root, ['status', '--porcelain', '--', ...(await touched(host, homelab)).map(literal)]);
      return stdout.trim() === '' ? done(`${open.length} files, committed`) : needed('not all of it is committed');
    },
    async act(host) {
      const homelab = await openHomelab(host, cluster.repository);
      const next = await identityToRecipient(await nextOf(host, cluster));
      const instead = new Map([[ownKey(homelab, cluster), next]]);
      await rekeyAll(host, homelab, instead);
      await replaceRecipients(homelab, instead);
      const after = await openHomelab(host, cluster.repository);
      await commitOwn(host, after.root, `Give ${cluster.name} a new age key: every file encrypted anew\n\n${REKEYED}`, await touched(host, after));
    },
  };
}

function pushStep(id: string, title: string, cluster: Cluster, room: Room, needs: readonly string[]): Step {
  return {
    id, part: PART, title, needs,
    async observe(host) {
      const { state, head } = await standing(host, cluster.repository, await room(host));
      return state === 'same' || state === 'behind' ? done(`${head.slice(0, 8)} is at the git host`) : needed(`${head.slice(0, 8)} is not at the git host yet`);
    },
    async act(host) {
      const repository = await room(host);
      await catchUp(host, cluster.repository, repository);
      await pushToFlux(host, cluster.repository, repository);
    },
  };
}

function oneStep(facts: Facts, room: Room): Step {
  return {
    id: 'one', part: PART, title: 'The old key out of the cluster', needs: ['reconciled'],
    async observe(host) {
      const next = await nextOf(host, facts.cluster);
      const held = await heldIdentities(host, facts.kubeconfig);
      return held?.length === 1 && held[0] === next ? done('Secret sops-age holds the new key alone') : needed('Secret sops-age still holds the old key');
    },
    async act(host) {
      const next = await nextOf(host, facts.cluster);
      await requireAllForNew(host, facts.cluster, await room(host), await identityToRecipient(next));
      await ensureAgeSecret(host, facts.kubeconfig, [next]);
    },
  };
}

/** Refuses to take the old key from the cluster while the git host has a file that the new one does not open: somebody pushed it meanwhile. */
async function requireAllForNew(host: Host, cluster: Cluster, repository: Repository, next: string): Promise<void> {
  const there = await openHomelab(host, repository.folder);
  const old = (await secretFiles(host, there)).filter(({ path, content }) => content.kind === 'encrypted' && !content.recipients.includes(next)
    && readersOf(there, path).some((reader) => reader.name === cluster.name)).map(({ path }) => path);
  if (old.length === 0) return;
  throw problem('E_ROTATE_OVERTAKEN', `somebody pushed ${old.join(', ')} meanwhile, and the new key does not open ${old.length === 1 ? 'it' : 'them'}`, 'The cluster keeps both keys. Run `git pull`, then the same command again: it encrypts what came, and goes on.');
}

function recordStep(cluster: Cluster, needs: readonly string[]): Step {
  const path = relative(cluster.repository, credentialsPath(cluster));
  return {
    id: 'record', part: PART, title: 'The new key takes the old one’s place in the credentials', needs,
    async observe(host) {
      if ((await rotationState(host, cluster)).underWay) return needed('the credentials hold both keys');
      const { stdout } = await ownGit(host, cluster.repository, ['status', '--porcelain', '--', literal(path)]);
      return stdout.trim() === '' ? done('the credentials hold the new key alone') : needed('that is not committed yet');
    },
    async act(host) {
      const { nextClusterIdentity, ...credentials } = await readCredentials(host, cluster);
      const clusterIdentitySince = new Date(host.clock.now()).toISOString();
      if (nextClusterIdentity !== undefined) await writeCredentials(host, await loadCluster(cluster.folder), { ...credentials, clusterIdentity: nextClusterIdentity, clusterIdentitySince });
      await commitRecord(host, cluster);
    },
  };
}

async function commitRecord(host: Host, cluster: Cluster): Promise<void> {
  await commitOwn(host, cluster.repository, `Keep the new age key of ${cluster.name} alone\n\n${REKEYED}`, [relative(cluster.repository, credentialsPath(cluster))]);
}

/** The key that comes, or, at the very end, has come. */
async function nextOf(host: Host, cluster: Cluster): Promise<string> {
  const { nextClusterIdentity, clusterIdentity } = await readCredentials(host, cluster);
  const found = nextClusterIdentity ?? clusterIdentity;
  if (found) return found.trim();
  throw problem('E_CREDENTIALS_MISSING', 'the credentials hold no identity of the cluster', 'Run `firstlight secrets rotate` again: it makes one.');
}

/** Every file that a rotation may change, from the repository's root. */
export async function touched(host: Host, homelab: Homelab): Promise<string[]> {
  const files = (await secretFiles(host, homelab)).filter(({ content }) => content.kind === 'encrypted').map(({ path }) => path);
  const named = homelab.clusters.map((cluster) => relative(homelab.root, join(cluster.folder, 'cluster.yaml')));
  const { stdout } = await ownGit(host, homelab.root, ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', '.sops.yaml']);
  return [...new Set([...files, ...named, ...stdout.split('\0').filter((path) => path !== '')])];
}

function ownKey(homelab: Homelab, cluster: Cluster): string {
  const found = homelab.clusters.find((one) => one.folder === cluster.folder)?.secrets.recipients.find((one) => one.role === 'cluster')?.key;
  if (found) return found;
  throw problem('E_ROTATE_CLUSTER', `${cluster.folder} is not a cluster of the repository ${homelab.root}`, 'Keep it at machines/<cluster>/ in your homelab repository.');
}
