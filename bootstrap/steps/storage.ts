import type { Nas } from '../../nodes/cluster.ts';
import { ensureStorage, observeStorage, proveStorage } from '../../storage/ensure.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/** LUNs, targets, CHAP and mapping on the NAS: created or adopted, never formatted or deleted. */
export function storageStep(facts: Facts, nas: Nas, needs: readonly string[]): Step {
  return {
    id: 'storage',
    part: 'Storage',
    title: `LUNs and targets on the NAS`,
    needs,
    async observe(host) {
      const findings = await observeStorage(host, nas, await facts.credentials(host));
      if (findings.length === 0) return { state: 'done', detail: `${nas.luns.map((lun) => lun.name).join(', ')} mapped with CHAP` };
      return { state: 'needed', why: findings.map((finding) => finding.message).join('; ') };
    },
    act: async (host) => { await ensureStorage(host, nas, await facts.credentials(host)); },
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
      const proofs = await proveStorage(host, nas, await facts.credentials(host));
      return { state: 'done', detail: proofs.map((proof) => `${proof.name}: ${proof.vendor} ${proof.product}, ${(proof.bytes / 2 ** 30).toFixed(0)} GiB`).join('; ') };
    },
    act: async () => {},
  };
}
