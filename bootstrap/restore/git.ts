import { join } from 'node:path';
import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { shownHostKey } from '../../lib/ssh-host-key.ts';
import { bringBack } from '../../gitops/git-return.ts';
import { hostKeyHint } from '../../gitops/git-errors.ts';
import { parseRemote, remoteName } from '../../gitops/remote.ts';
import { gitopsOf, openRepository } from '../../gitops/repository.ts';
import { setGitHostKey } from '../../nodes/edit.ts';
import { ENTRY } from '../archive/types.ts';
import { createFacts, type Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import { standsTo } from './look-git.ts';
import type { Restore } from './restore-of.ts';

/** The types of SSH host keys that a git host may show. */
const TYPES = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'rsa-sha2-512', 'rsa-sha2-256'];

/**
 * A git host that shows another key than the pinned one may be the new one, or somebody in between. A person who knows its key says so; the
 * inventory is then edited in place. Gives the facts of the cluster as it is declared then, the same where the key is the pinned one. Throws `E_GIT_HOST_KEY`.
 */
export async function trustedGitHost(host: Host, facts: Facts): Promise<Facts> {
  const gitops = gitopsOf(facts.cluster);
  const { host: name, port } = parseRemote(gitops.url);
  const [type = ''] = gitops.hostKey.trim().split(/\s+/);
  const wished = type === 'ssh-rsa' ? TYPES.toReversed() : [type, ...TYPES.filter((each) => each !== type)];
  const shown = await shownHostKey({ host: name, port, types: wished, signal: host.signal });
  if (gitops.hostKey.trim().split(/\s+/).slice(0, 2).join(' ') === shown.line) return facts;
  const refused = problem('E_GIT_HOST_KEY', `the git host ${remoteName(gitops)} shows another key than gitops.hostKey in cluster.yaml, and nobody said that it is right`, hostKeyHint(gitops));
  const answer = await host.ask({
    code: 'restore.host-key',
    text: `The git host ${remoteName(gitops)} shows another key than cluster.yaml pins: ${shown.line.split(' ')[0]} ${shown.fingerprint}. Compare it with what the host itself says (ssh-keygen -lf on its /etc/ssh/ssh_host_*_key.pub). Is it right? It is then written into cluster.yaml. (yes/no)`,
  }).catch((error: unknown) => { throw error instanceof FirstlightError && error.code === 'E_NOBODY' ? refused : error; });
  if (!/^(y|yes)$/i.test(answer.trim())) throw refused;
  const cluster = await setGitHostKey(join(facts.cluster.folder, 'cluster.yaml'), shown.line);
  host.emit({ code: 'restore.host-key', message: `cluster.yaml: the git host has the key ${shown.fingerprint} now` });
  return createFacts(cluster, host.scratch);
}

/** The branch is at the git host again, at or ahead of what the archive had: pushed from the archive or the owner's clone, whichever is ahead, never forced. */
export function gitBackStep({ facts, archive }: Restore, needs: readonly string[]): Step {
  const bundle = archive.path(ENTRY.repository);
  const kept = archive.manifest.git?.revision ?? '';
  return {
    id: 'git-back', part: 'Git host', title: 'The repository at the git host', needs,
    danger: 'The branch that Flux follows is pushed.',
    async observe(host) {
      try {
        const repository = await openRepository(host, facts.cluster, await facts.credentials(host));
        const words = `${repository.branch} at ${repository.revision.slice(0, 8)}`;
        const standing = await standsTo(host, repository, kept, bundle);
        if (standing === 'same' || standing === 'newer') return { state: 'done', detail: words };
        if (standing === 'older') return { state: 'needed', why: `${words} is older than the archive’s ${kept.slice(0, 8)}` };
        throw problem('E_GIT_APART', `${words} and the archive’s ${kept.slice(0, 8)} are on different lines: nothing is forced upon the git host`, 'Look at both, push the one that is right, and run the same command again.');
      } catch (error) {
        if (error instanceof FirstlightError && error.code === 'E_GIT_NO_BRANCH') return { state: 'needed', why: error.message };
        if (error instanceof FirstlightError && error.code === 'E_GIT_NO_REPOSITORY') {
          throw problem(error.code, error.message, `Make an empty repository there (git init --bare, or in its web pages), let the git key write to it (\`firstlight git-key ${facts.cluster.name}\`), and run the same command again.`);
        }
        throw error;
      }
    },
    async act(host) {
      const { from, revision, note } = await bringBack(host, facts.cluster, await facts.credentials(host), bundle!, true);
      host.emit({ code: 'restore.pushed', message: `${revision.slice(0, 8)} was pushed, from ${from}${note === undefined ? '' : `; ! ${note}`}` });
    },
  };
}
