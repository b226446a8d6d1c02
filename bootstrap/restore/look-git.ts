import { FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { openRepository } from '../../gitops/repository.ts';
import { standingOf } from '../../gitops/git-standing.ts';
import type { Archive } from '../archive/types.ts';
import { readCredentials } from '../credentials.ts';
import type { Facts } from '../facts.ts';
import { look } from '../rebuild/diagnose-look.ts';
import type { PartSight } from './types.ts';

const LOOK_MS = 60_000;

/** Whether the git host has the branch, and at or ahead of what the archive had: a repository that is empty, gone or older is brought back by a push. */
export async function lookAtGit(host: Host, facts: Facts, { manifest }: Archive): Promise<PartSight> {
  const seen = await look(host, LOOK_MS, async (own): Promise<PartSight> => {
    try {
      const repository = await openRepository(own, facts.cluster, await readCredentials(own, facts.cluster));
      if (manifest.git === undefined) return { kind: 'well', told: `${repository.branch} at ${repository.revision.slice(0, 8)}` };
      const standing = await standingOf(own, repository, manifest.git.revision);
      const words = `${repository.branch} is at ${repository.revision.slice(0, 8)}`;
      if (standing === 'same') return { kind: 'well', told: `${words}, as in the archive` };
      if (standing === 'newer') return { kind: 'well', told: `${words}, later than the archive’s ${manifest.git.revision.slice(0, 8)}: Flux applies what came since` };
      if (standing === 'older') return lost(`${words}, older than the archive’s ${manifest.git.revision.slice(0, 8)}`);
      return { kind: 'beyond', told: `${words}, and the archive’s ${manifest.git.revision.slice(0, 8)} is on another line`, hint: `Look at both (the archive’s history is in its ${'repository.bundle'}), and push the one that is right; nothing is forced upon the git host.` };
    } catch (error) {
      if (!(error instanceof FirstlightError)) throw error;
      switch (error.code) {
        case 'E_GIT_NO_BRANCH': case 'E_GIT_NO_REPOSITORY': return lost(error.message);
        case 'E_GIT_HOST_KEY': return lost(error.message);
        default: return { kind: 'beyond', told: error.message, hint: error.hint };
      }
    }
  });
  return seen.known ? seen.value : { kind: 'beyond', told: `the git host can't be asked: ${seen.why}`, hint: 'See that it is up, and gitops.url in cluster.yaml; then run the same command again.' };
}

function lost(told: string): PartSight {
  return { kind: 'lost', told, todo: 'the branch is pushed again, from the archive or from your clone, whichever is ahead' };
}
