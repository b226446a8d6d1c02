import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { withKeyAgent } from './agent.ts';
import { git, gitOverSshOrThrow, writeKnownHosts } from './git.ts';
import { gitopsOf, requireGitKey } from './repository.ts';

/**
 * Writes the branch that Flux reads, with its whole history, into a bundle: a file that `git clone` reads when the git host is lost. Gives the
 * branch's newest commit (40 hex digits). Throws the codes of `openRepository`, `E_PROGRAM`.
 */
export async function bundleRepository(host: Host, cluster: Cluster, credentials: Credentials, file: string): Promise<string> {
  const gitops = gitopsOf(cluster);
  const key = requireGitKey(credentials);
  const folder = await mkdtemp(join(host.scratch, 'bundled-'));
  const branch = `refs/heads/${gitops.branch}`;
  try {
    await git(host, folder, ['init', '--quiet', '--bare', `--initial-branch=${gitops.branch}`, '.']);
    const knownHosts = await writeKnownHosts(host, gitops);
    await withKeyAgent(host, key, (agent) => gitOverSshOrThrow(host, { gitops, agent, knownHosts }, folder, ['fetch', '--quiet', '--no-tags', gitops.url, `+${branch}:${branch}`]));
    // With HEAD in it, a clone checks the branch out by itself.
    await git(host, folder, ['bundle', 'create', '--quiet', file, 'HEAD', branch]);
    return (await git(host, folder, ['rev-parse', branch])).stdout.trim();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Proves that a bundle is sound, has its whole history, and ends at this commit. Throws `E_GIT_BUNDLE`. */
export async function requireWholeBundle(host: Host, file: string, revision: string): Promise<void> {
  const folder = await mkdtemp(join(host.scratch, 'bundled-'));
  const refuse = (why: string): Error => problem('E_GIT_BUNDLE', `the git bundle can't bring the repository back: ${why}`, 'Take another archive.', { where: { file } });
  try {
    await git(host, folder, ['init', '--quiet', '--bare', '.']);
    // Into an empty repository goes only a bundle that needs no commit of another.
    await git(host, folder, ['fetch', '--quiet', '--no-tags', file, 'HEAD:refs/heads/bundled']).catch((error: unknown) => {
      host.signal.throwIfAborted();
      throw refuse(error instanceof Error ? error.message : 'git refuses it');
    });
    const head = (await git(host, folder, ['rev-parse', 'refs/heads/bundled'])).stdout.trim();
    if (head !== revision) throw refuse(`it ends at ${head.slice(0, 8)}, not at ${revision.slice(0, 8)}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
