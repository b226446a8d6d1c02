import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
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
