import { z } from 'zod';
import { problem, type FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Claim, Lun } from '../nodes/cluster.ts';
import { getObjects, type KubeObject } from './kubectl.ts';
import { LUN_CLASS } from './volume-manifests.ts';

/** How far the claims of declared LUNs are: bound, or what is waited for, or what no waiting will mend. */
export type ClaimStates = { readonly bound: readonly string[]; readonly waiting: readonly string[]; readonly faults: readonly FirstlightError[] };

/** A declared LUN with its claim. */
export type LunWithClaim = Lun & { readonly claim: Claim };

const VolumeParts = z.looseObject({
  spec: z.looseObject({
    capacity: z.looseObject({ storage: z.string().optional() }).optional(),
    iscsi: z.looseObject({ iqn: z.string() }).optional(),
    csi: z.looseObject({ volumeAttributes: z.record(z.string(), z.string()).optional() }).optional(),
    claimRef: z.looseObject({ uid: z.string().optional() }).optional(),
  }),
  status: z.looseObject({ phase: z.string().optional() }).optional(),
});
const ClaimParts = z.looseObject({
  metadata: z.looseObject({ uid: z.string().optional() }),
  spec: z.looseObject({ volumeName: z.string().optional(), storageClassName: z.string().optional() }),
  status: z.looseObject({ phase: z.string().optional() }).optional(),
});

/**
 * Looks by kubectl whether each LUN's claim is bound to the PersistentVolume of that LUN, and to no other. Reads only. A claim that
 * has another volume, a volume left over from a deleted claim, or one with another target is a fault (`E_CLAIM_…`). Throws what
 * kubectl throws.
 */
export async function observeClaims(host: Host, kubeconfig: string, luns: readonly LunWithClaim[]): Promise<ClaimStates> {
  const [volumes, claims] = await Promise.all([
    getObjects(host, kubeconfig, ['persistentvolumes']), getObjects(host, kubeconfig, ['persistentvolumeclaims', '--all-namespaces'])]);
  const bound: string[] = [];
  const waiting: string[] = [];
  const faults: FirstlightError[] = [];
  for (const lun of luns) {
    const { namespace, name } = lun.claim;
    const seen = judge(lun, volumes.find((each) => each.metadata.name === lun.name),
      claims.find((each) => each.metadata.name === name && each.metadata.namespace === namespace));
    if (typeof seen !== 'string') faults.push(seen);
    else if (seen.startsWith(`${lun.name} is`)) bound.push(seen);
    else waiting.push(seen);
  }
  return { bound, waiting, faults };
}

/** `X is bound to …`, another sentence for what is missing still, or the fault. */
function judge(lun: LunWithClaim, volumeObject: KubeObject | undefined, claimObject: KubeObject | undefined): string | FirstlightError {
  const wanted = `${lun.claim.namespace}/${lun.claim.name}`;
  const volume = volumeObject && VolumeParts.parse(volumeObject);
  const claim = claimObject && ClaimParts.parse(claimObject);
  const iqn = volume && (volume.spec.iscsi?.iqn ?? volume.spec.csi?.volumeAttributes?.['iqn']);
  if (volume && iqn !== lun.iqn) {
    return problem('E_CLAIM_TARGET', `PersistentVolume ${lun.name} in the cluster has the target ${iqn ?? '(none)'}, cluster.yaml says ${lun.iqn}`,
      `A volume's target can't be changed. Stop what uses ${wanted}, then \`kubectl delete pv ${lun.name}\` (the LUN and its data stay), and run again.`);
  }
  if (claim?.spec.volumeName !== undefined && claim.spec.volumeName !== '' && claim.spec.volumeName !== lun.name) {
    return problem('E_CLAIM_ELSEWHERE', `the claim ${wanted} is for ${claim.spec.volumeName}, not for the LUN ${lun.name}`,
      `Give the claim \`storageClassName: ${LUN_CLASS}\`, which nothing but declared LUNs has; since a claim keeps its volume, save what the other one holds, delete the claim, and let Flux make it anew.`);
  }
  if (volume?.status?.phase === 'Released' || (volume?.spec.claimRef?.uid !== undefined && claim?.metadata.uid !== undefined && volume.spec.claimRef.uid !== claim.metadata.uid)) {
    return problem('E_CLAIM_RELEASED', `PersistentVolume ${lun.name} still waits for a claim ${wanted} that was deleted; one made since is another to Kubernetes`,
      `Its data is untouched. Let the new claim have it: kubectl patch pv ${lun.name} --type=json -p '[{"op":"remove","path":"/spec/claimRef/uid"}]'`);
  }
  if (!volume) return `there is no PersistentVolume ${lun.name} yet`;
  if (!claim) return `there is no PersistentVolumeClaim ${wanted}; who uses the LUN declares it, with storageClassName ${LUN_CLASS}`;
  if (claim.status?.phase !== 'Bound' || volume.status?.phase !== 'Bound') {
    const { storageClassName = '' } = claim.spec;
    return `the claim ${wanted} is ${claim.status?.phase ?? 'new'}${storageClassName === LUN_CLASS ? '' : `, and of the class ${storageClassName || '(none)'} instead of ${LUN_CLASS}`}`;
  }
  return `${lun.name} is bound to ${wanted}, ${volume.spec.capacity?.storage ?? ''}`;
}
