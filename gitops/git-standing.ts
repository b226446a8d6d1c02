import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { FLUX_NAMESPACE } from './age-secret.ts';
import { git, gitOverSshOrThrow } from './git.ts';
import { getObjects, type KubeObject } from './kubectl.ts';
import { gitopsOf, type Repository } from './repository.ts';
import { inTurn } from './turns.ts';

/** How the branch at the git host stands to a commit that the cluster applied: it is it, is later, is earlier, went another way, or git does not know the commit. */
export type Standing = 'same' | 'newer' | 'older' | 'diverged' | 'unknown';

/** A commit (hex) that Kustomizations of the bootstrapped repository applied, and which. */
export type AppliedRevision = { readonly commit: string; readonly by: readonly string[] };

/** What git takes for “all of it” (git-fetch, --depth), also where nothing is missing. */
const HISTORY = 0x7fff_ffff;

/** The commits that the cluster's Kustomizations applied last, as far as their source is the bootstrapped repository; none without Flux. Throws what kubectl throws. */
export async function appliedRevisions(host: Host, cluster: Cluster, kubeconfig: string): Promise<readonly AppliedRevision[]> {
  const { branch } = gitopsOf(cluster);
  const applied = new Map<string, string[]>();
  for (const object of await getObjects(host, kubeconfig, ['kustomizations.kustomize.toolkit.fluxcd.io', '--all-namespaces'])) {
    const commit = new RegExp(`^${escaped(branch)}@sha\\d+:([0-9a-f]{40,64})$`).exec(object.status?.lastAppliedRevision ?? '')?.[1];
    if (commit !== undefined && fromBootstrap(object)) applied.set(commit, [...applied.get(commit) ?? [], object.metadata.name]);
  }
  return [...applied].map(([commit, by]) => ({ commit, by }));
}

/** Compares the branch at the git host with a commit, by the branch's whole history, which is fetched for it. Throws `E_GIT_…`. */
export async function standingOf(host: Host, repository: Repository, commit: string): Promise<Standing> {
  const { folder, branch, revision } = repository;
  if (commit === revision) return 'same';
  return inTurn(folder, () => repository.access(async (access) => {
    await gitOverSshOrThrow(host, access, folder, ['fetch', '--quiet', '--no-tags', `--depth=${HISTORY}`, 'origin', `+refs/heads/${branch}:refs/remotes/origin/${branch}`]);
    const isAncestor = async (older: string, newer: string): Promise<boolean> => git(host, folder, ['merge-base', '--is-ancestor', older, newer]).then(() => true, () => false);
    const known = await git(host, folder, ['cat-file', '-e', `${commit}^{commit}`]).then(() => true, () => false);
    if (!known) return 'unknown';
    if (await isAncestor(commit, revision)) return 'newer';
    return await isAncestor(revision, commit) ? 'older' : 'diverged';
  }));
}

/**
 * Throws `E_FLUX_GIT_OLDER` where git is not at or ahead of every commit that the cluster applied: Flux would take back what came
 * later, and prune it. Gives in words how git stands otherwise.
 */
export async function requireGitNotOlder(host: Host, cluster: Cluster, kubeconfig: string, repository: Repository): Promise<string> {
  const applied = await appliedRevisions(host, cluster, kubeconfig);
  const stands = await Promise.all(applied.map(async (each) => ({ ...each, standing: await standingOf(host, repository, each.commit) })));
  const behind = stands.filter(({ standing }) => standing !== 'same' && standing !== 'newer');
  if (behind.length > 0) {
    const told = behind.map(({ commit, by, standing }) => `${by.join(', ')} applied ${commit.slice(0, 8)}, ${WORDS[standing]}`).join('; ');
    throw problem('E_FLUX_GIT_OLDER', `${repository.branch} at the git host is ${repository.revision.slice(0, 8)}, and the cluster knows more than that: ${told}. Flux stays suspended, or it would take back, and prune, what came later`,
      `Push the missing commits to ${repository.branch} and run the same command again; or, where git is right as it is: \`flux resume kustomization --all -n ${FLUX_NAMESPACE}\`, then the same command again.`);
  }
  if (applied.length === 0) return 'nothing of git was applied before';
  const newer = stands.filter(({ standing }) => standing === 'newer');
  return newer.length === 0 ? `git is where the cluster is (${repository.revision.slice(0, 8)})` : `git is ahead of the cluster: ${newer.map(({ commit }) => commit.slice(0, 8)).join(', ')} to ${repository.revision.slice(0, 8)}`;
}

const WORDS: Readonly<Record<Standing, string>> = {
  same: 'which is it', newer: 'which is older', older: 'which is later', diverged: 'which is on another line', unknown: 'which git does not have',
};

function fromBootstrap(object: KubeObject): boolean {
  const source = object.spec?.['sourceRef'] as { kind?: string; name?: string; namespace?: string } | undefined;
  return source?.kind === 'GitRepository' && source.name === FLUX_NAMESPACE && (source.namespace ?? object.metadata.namespace) === FLUX_NAMESPACE;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
