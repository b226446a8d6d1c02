import type { Cluster, Nas } from '../../nodes/cluster.ts';
import { ensureStorage, observeStorage } from '../../storage/ensure.ts';
import type { Claimant } from '../../storage/findings.ts';
import { proveStorage, type StorageLook } from '../../storage/look.ts';
import type { Host } from '../../lib/host.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import { trustedNas } from './nas-certificate.ts';

/** On whose behalf the NAS is spoken to. */
export function claimantOf(facts: { readonly cluster: Cluster; readonly initiators: ReadonlyMap<string, string> }): Claimant {
  return { cluster: facts.cluster.name, nodes: facts.cluster.nodes.length, initiators: facts.initiators };
}

/** LUNs, targets, CHAP, mapping and masking on the NAS: created or adopted, never formatted or deleted. */
export function storageStep(facts: Facts, nas: Nas, needs: readonly string[]): Step {
  const remember = (host: Host, look: StorageLook): void => {
    for (const lun of look.luns) facts.luns.set(lun.name, lun);
    for (const note of look.notes) host.emit({ code: 'storage.note', message: note });
  };
  return {
    id: 'storage',
    part: 'Storage',
    title: `LUNs and targets on the NAS`,
    needs,
    async observe(host) {
      const look = await observeStorage(host, await trustedNas(host, facts, nas), await facts.credentials(host), claimantOf(facts));
      remember(host, look);
      const notes = look.notes.length === 0 ? '' : `; ! ${look.notes.join('; ! ')}`;
      if (look.findings.length > 0) return { state: 'needed', why: look.findings.map((finding) => finding.message).join('; ') + notes };
      return { state: 'done', detail: nas.luns.map((lun) => `${lun.name} mapped with ${lun.mutualUser === undefined ? '' : 'mutual '}CHAP`).join(', ') + notes };
    },
    act: async (host) => { await ensureStorage(host, await trustedNas(host, facts, nas), await facts.credentials(host), claimantOf(facts)); },
  };
}

/** Proof that the LUNs can be used: a real iSCSI login to each from here. A look, so there is nothing to act on. */
export function storageProofStep(facts: Facts, nas: Nas): Step {
  return {
    id: 'storage-proof',
    part: 'Storage',
    title: 'iSCSI login to every LUN',
    needs: ['storage'],
    async observe(host) {
      const proofs = await proveStorage(host, nas, await facts.credentials(host), facts.luns);
      const proven = proofs.map((proof) => `${proof.name}: ${proof.vendor} ${proof.product}, ${(proof.bytes / 2 ** 30).toFixed(0)} GiB`);
      const masked = [...facts.luns.values()].filter((lun) => lun.masked).map((lun) => `${lun.name}: lets only named initiators in, so not proven from here`);
      return { state: 'done', detail: [...proven, ...masked].join('; ') };
    },
    act: async () => {},
  };
}
