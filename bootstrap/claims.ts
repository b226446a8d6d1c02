import { z } from 'zod';
import { builtManifests, placeOf, type BuiltManifest } from '../gitops/manifests.ts';
import { LUN_CLASS } from '../gitops/volume-manifests.ts';
import { ManyErrors, problem, type FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Claim, Gitops, Lun } from '../nodes/cluster.ts';
import { bytesOf, readable } from '../storage/memory/quantity.ts';

const ClaimManifest = z.looseObject({
  kind: z.literal('PersistentVolumeClaim'),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
  spec: z.looseObject({
    storageClassName: z.string().optional(),
    volumeName: z.string().optional(),
    accessModes: z.array(z.string()).optional(),
    resources: z.looseObject({ requests: z.looseObject({ storage: z.unknown().optional() }).optional() }).optional(),
  }),
});

/** What would keep a claim from its LUN's PersistentVolume, and at which field. */
type Hindrance = { readonly code: string; readonly path: readonly (string | number)[]; readonly message: string; readonly hint: string };

/**
 * Looks, before anything is applied, whether the claims of declared LUNs stand in the GitOps repository (`folder` is its work tree) and
 * can be bound to them; gives it in words, with a warning (`; ! …`) for one that nothing there declares: a Helm chart or a
 * StatefulSet may still make it. Throws `E_CLAIM_CLASS`, `_ELSEWHERE`, `_ACCESS`, `_SIZE` with the place (several as `E_CLAIM`), and what `builtManifests` throws.
 */
export async function claimsReport(host: Host, luns: readonly Lun[], gitops: Gitops, folder: string): Promise<string> {
  const built = await builtManifests(host, folder, gitops.path);
  const faults: FirstlightError[] = [];
  const words: string[] = [];
  const missing: string[] = [];
  for (const lun of luns) {
    if (!lun.claim) continue;
    const { namespace, name } = lun.claim;
    const found = built.map((manifest) => ({ manifest, claim: ClaimManifest.safeParse(manifest.object).data }))
      .find(({ claim }) => claim?.metadata.name === name && (claim.metadata.namespace ?? 'default') === namespace);
    if (!found?.claim) missing.push(`${namespace}/${name}`);
    else {
      words.push(`${namespace}/${name} fits ${lun.name}`);
      for (const each of hindrances(lun, lun.claim, found.claim)) faults.push(await told(folder, found.manifest, each));
    }
  }
  const [first] = faults;
  if (first && faults.length === 1) throw first;
  if (first) throw new ManyErrors('E_CLAIM', `${faults.length} things in the repository stand between claims and their LUNs`, 'Mend each, push, and run again.', faults);
  const warning = missing.length === 0 ? '' : `nothing in the repository declares ${missing.join(', ')} as a PersistentVolumeClaim of the class ${LUN_CLASS}: unless a Helm chart or a StatefulSet makes it, \`up\` will wait for it in vain`;
  return [words.join('; '), warning].filter(Boolean).join('; ! ');
}

/** By Kubernetes' own rules of binding: class and volume name must be the volume's, access modes among its own, size at most its own. */
function hindrances(lun: Lun, declared: Claim, { spec }: z.infer<typeof ClaimManifest>): Hindrance[] {
  const claim = `the claim ${declared.namespace}/${declared.name}`;
  const found: Hindrance[] = [];
  if (spec.storageClassName !== LUN_CLASS) {
    found.push({ code: 'E_CLAIM_CLASS', path: ['spec', 'storageClassName'], message: `${claim} is of the class ${spec.storageClassName ?? '(the cluster’s own)'}, and the LUN ${lun.name} is of ${LUN_CLASS}`,
      hint: `Write \`storageClassName: ${LUN_CLASS}\`: of another class it gets another volume, or none.` });
  }
  if (spec.volumeName !== undefined && spec.volumeName !== lun.name) {
    found.push({ code: 'E_CLAIM_ELSEWHERE', path: ['spec', 'volumeName'], message: `${claim} is for the volume ${spec.volumeName}, not for the LUN ${lun.name}`, hint: `Take volumeName out, or write ${lun.name}.` });
  }
  const others = (spec.accessModes ?? []).filter((mode) => mode !== 'ReadWriteOnce');
  if (others.length > 0) {
    found.push({ code: 'E_CLAIM_ACCESS', path: ['spec', 'accessModes'], message: `${claim} asks for ${others.join(', ')}, and a LUN is for one node at a time`, hint: 'Write ReadWriteOnce: two nodes writing one LUN destroy its data.' });
  }
  const asked = bytesOf(spec.resources?.requests?.storage);
  if (asked !== undefined && asked > lun.bytes) {
    found.push({ code: 'E_CLAIM_SIZE', path: ['spec', 'resources', 'requests', 'storage'], message: `${claim} asks for ${readable(asked)}, and the LUN ${lun.name} has ${readable(lun.bytes)}`, hint: 'Ask for less, or let the LUN grow: raise its size in cluster.yaml.' });
  }
  return found;
}

async function told(folder: string, manifest: BuiltManifest, { code, path, message, hint }: Hindrance): Promise<FirstlightError> {
  return problem(code, message, hint, { where: await placeOf(folder, manifest, path) });
}
