import { present, type Draft, type Fault } from './fault.ts';
import { described } from './schema-faults.ts';

/** Kubernetes hears of claimed LUNs by the GitOps repository alone: without one a claim would change nothing. */
export function* claimsNeedGitops(draft: Draft): Iterable<Fault> {
  // A malformed section is there, although its value was taken out of the draft.
  if (Object.hasOwn(draft, 'gitops')) return;
  for (const [i, lun] of present(draft.nas?.luns)) {
    if (lun.claim === undefined) continue;
    const path = ['nas', 'luns', i, 'claim'];
    yield { code: 'E_INVENTORY_CLAIM_WITHOUT_GITOPS', path, at: 'key', message: `${described(path)}: there is no section gitops, and only there is Kubernetes told of the LUN`, hint: 'Add the section gitops, or take the claim out and write the PersistentVolume by hand.' };
  }
}
