import { waitFor } from '../../lib/conditions.ts';
import { ManyErrors, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { observeClaims, type ClaimStates, type LunWithClaim } from '../../gitops/claims.ts';
import type { Repository } from '../../gitops/repository.ts';
import type { ClaimedLun } from '../../gitops/volume-manifests.ts';
import { ensureVolumes, observeVolumes } from '../../gitops/volumes.ts';
import type { Nas } from '../../nodes/cluster.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

type Room = (host: Host) => Promise<Repository>;

/** PersistentVolumes and CHAP Secrets of the LUNs that are for a claim, in the GitOps repository: for the LUNs that answer now. */
export function volumesStep(facts: Facts, nas: Nas, room: Room, needs: readonly string[]): Step {
  return {
    id: 'volumes',
    part: 'GitOps',
    title: 'PersistentVolumes in the GitOps repository',
    needs,
    observe: async (host) => observeVolumes(host, facts.cluster, nas, await facts.credentials(host), await room(host), claimedLuns(facts, nas)),
    act: async (host) => { await ensureVolumes(host, facts.cluster, nas, await facts.credentials(host), await room(host), claimedLuns(facts, nas)); },
  };
}

/** The LUNs that are for a claim, as the storage steps found them. Throws `E_STORAGE_UNKNOWN` where one was not found. */
function claimedLuns(facts: Facts, nas: Nas): readonly ClaimedLun[] {
  return nas.luns.flatMap((lun): ClaimedLun[] => {
    if (!lun.claim) return [];
    const { uuid, number } = facts.luns.get(lun.name) ?? {};
    if (uuid !== undefined && number !== undefined) return [{ lun, claim: lun.claim, uuid, number }];
    throw problem('E_STORAGE_UNKNOWN', `LUN ${lun.name} is not on the NAS behind its target, so no PersistentVolume can name it`, 'Run `firstlight up`: it makes the LUN first.');
  });
}

/** Every LUN's claim bound to the LUN's own PersistentVolume, as kubectl shows it. Kubernetes binds; this only waits for it. */
export function claimsStep(facts: Facts, nas: Nas): Step {
  const look = async (host: Host): Promise<ClaimStates> => {
    const states = await observeClaims(host, facts.kubeconfig, nas.luns.filter((lun): lun is LunWithClaim => lun.claim !== undefined));
    const [first] = states.faults;
    if (first && states.faults.length === 1) throw first;
    if (first) throw new ManyErrors('E_CLAIM', `${states.faults.length} claims can't be bound to their LUNs`, 'Each is told with what to do.', states.faults);
    return states;
  };
  return {
    id: 'claims',
    part: 'Volumes',
    title: 'Claims bound to their LUNs',
    needs: ['reconciled'],
    async observe(host) {
      const { bound, waiting } = await look(host);
      return waiting.length === 0 ? { state: 'done', detail: bound.join('; ') } : { state: 'needed', why: waiting.join('; ') };
    },
    async act(host) {
      await waitFor({
        name: 'every declared claim is bound to its LUN',
        deadlineMs: 3 * 60_000,
        everyMs: 1_000,
        hint: 'See `kubectl describe pvc` for the claim named above: its size, access mode and class must fit the PersistentVolume.',
        look: async () => {
          const { waiting } = await look(host);
          return waiting.length === 0 ? { met: true, value: true } : { met: false, seen: waiting.join('; ') };
        },
      }, host);
    },
  };
}
