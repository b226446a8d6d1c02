import { FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { isInBundle } from '../../gitops/git-return.ts';
import { standingOf, type Standing } from '../../gitops/git-standing.ts';
import { openRepository, type Repository } from '../../gitops/repository.ts';
import { ENTRY, type Archive } from '../archive/types.ts';
import type { Facts } from '../facts.ts';
import { look } from '../rebuild/diagnose-look.ts';
import type { PartSight } from './types.ts';

const LOOK_MS = 60_000;

/** Whether the git host has the branch, at or ahead of what the archive had. One that is empty, or older, or behind another host key, is brought back. */
export async function lookAtGit(host: Host, facts: Facts, archive: Archive): Promise<PartSight> {
  const bundle = archive.path(ENTRY.repository);
  const lost = (told: string, more = ''): PartSight => (bundle === undefined
    ? { kind: 'beyond', told, hint: 'The archive has no repository: push your own clone.' }
    : { kind: 'lost', told, todo: `${more}the branch is pushed again, from the archive or from your clone, whichever is ahead` });
  const seen = await look(host, LOOK_MS, async (own): Promise<PartSight> => {
    try {
      const repository = await openRepository(own, facts.cluster, await facts.credentials(own));
      const words = `${repository.branch} is at ${repository.revision.slice(0, 8)}`;
      const kept = archive.manifest.git?.revision;
      if (kept === undefined) return { kind: 'well', told: words };
      switch (await standsTo(own, repository, kept, bundle)) {
        case 'same': return { kind: 'well', told: `${words}, as in the archive` };
        case 'newer': return { kind: 'well', told: `${words}, later than the archive’s ${kept.slice(0, 8)}: Flux applies what came since` };
        case 'older': return lost(`${words}, older than the archive’s ${kept.slice(0, 8)}`);
        default: return { kind: 'beyond', told: `${words}, and the archive’s ${kept.slice(0, 8)} is on another line`, hint: 'Look at both, and push the one that is right: nothing is forced upon the git host.' };
      }
    } catch (error) {
      if (!(error instanceof FirstlightError)) throw error;
      if (error.code === 'E_GIT_HOST_KEY') return lost(error.message, 'you are asked whether the new host key is right; ');
      if (error.code === 'E_GIT_NO_BRANCH' || error.code === 'E_GIT_NO_REPOSITORY') return lost(error.message);
      return { kind: 'beyond', told: error.message, hint: error.hint };
    }
  });
  return seen.known ? seen.value : { kind: 'beyond', told: `the git host can't be asked: ${seen.why}`, hint: 'See that it is up, and gitops.url in cluster.yaml; then run the same command again.' };
}

/** How the git host's branch stands to a commit; where it does not know that commit, by the history in the bundle. */
export async function standsTo(host: Host, repository: Repository, commit: string, bundle: string | undefined): Promise<Standing> {
  const standing = await standingOf(host, repository, commit);
  if (standing !== 'unknown' || bundle === undefined) return standing;
  return await isInBundle(host, bundle, repository.revision) ? 'older' : 'diverged';
}
