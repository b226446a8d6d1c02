import { z } from 'zod';
import { problem } from '../../lib/errors.ts';
import { isSigned } from './signing.ts';
import { FORMAT, type Manifest } from './types.ts';

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const Shape = z.object({
  format: z.literal(FORMAT),
  cluster: z.string().min(1),
  clusterId: z.string().min(1),
  at: z.iso.datetime(),
  recipients: z.array(z.object({ name: z.string(), role: z.enum(['cluster', 'owner', 'offline']), key: z.string() })).min(2),
  header: hex,
  signer: z.string(),
  etcd: z.object({
    node: z.string(), revision: count, hash: z.string(), keys: count,
    objects: z.array(z.object({ kind: z.string(), namespace: z.string(), count })),
    bundle: z.enum(['decrypt', 'plain', 'none']), nodes: z.array(z.string()), uid: z.string().optional(),
  }),
  git: z.object({ url: z.string(), branch: z.string(), revision: z.string() }).optional(),
  versions: z.record(z.string(), z.string()),
  missing: z.array(z.object({ part: z.string(), why: z.string() })),
  // A name never leads out of the folder that an archive is opened into.
  entries: z.array(z.object({ name: z.string().regex(/^(?!\/)(?!.*(^|\/)\.{1,2}(\/|$))[^\\\0]+[^\\\0/]$/), bytes: count, sha256: hex })),
});

/** What a manifest must be: of which cluster, by which signer, in a file with which age header, for how many recipients. */
export type Expected = { readonly cluster?: string | undefined; readonly signer?: string | undefined; readonly header: string; readonly recipients: number };

/**
 * Reads a manifest whose signature was proven first, and holds it to what is expected. Throws `E_ARCHIVE_FORMAT` (a newer firstlight's),
 * `E_ARCHIVE_SIGNATURE`, `E_ARCHIVE_SIGNER`, `E_ARCHIVE_CLUSTER`, `E_ARCHIVE_RECIPIENTS`; each names the file.
 */
export function readManifest(file: string, text: Buffer, signature: Buffer, expected: Expected): Manifest {
  const where = { where: { file } };
  const { format, signer, cluster } = looseManifest(text);
  if (typeof signer !== 'string' || !isSigned(text, signature, signer)) {
    throw problem('E_ARCHIVE_SIGNATURE', `the manifest in ${file} is not what its signer signed`, 'Somebody who can decrypt it made another archive of it: take another one, and see who has the keys.', where);
  }
  if (expected.cluster !== undefined && cluster !== expected.cluster) {
    throw problem('E_ARCHIVE_CLUSTER', `${file} is a backup of ${String(cluster)}, not of ${expected.cluster}`, `Choose one of ${expected.cluster}: \`firstlight backup list ${expected.cluster}\`.`, where);
  }
  if (expected.signer !== undefined && signer !== expected.signer) {
    throw problem('E_ARCHIVE_SIGNER', `${file} was signed by ${signer.slice(0, 12)}…, and backup.signer in firstlight.lock.yaml is ${expected.signer.slice(0, 12)}…`,
      'It is of another cluster, or made by somebody who only knows your recipients. If you know that key, put it into backup.signer; else take another archive.', where);
  }
  if (typeof format === 'number' && format > FORMAT) {
    throw problem('E_ARCHIVE_FORMAT', `${file} has format ${format}, and this firstlight knows ${FORMAT}`, 'Open it with the firstlight that wrote it, or a newer one.', where);
  }
  const read = Shape.safeParse(JSON.parse(text.toString('utf8')));
  if (!read.success) throw problem('E_ARCHIVE_FORMAT', `the manifest in ${file} lacks ${read.error.issues[0]?.path.join('.') ?? 'something'}`, 'Open it with the firstlight that wrote it.', where);
  const told = new Set(read.data.recipients.map(({ key }) => key)).size;
  if (told < 2 || told !== expected.recipients || read.data.header !== expected.header) {
    throw problem('E_ARCHIVE_RECIPIENTS', `${file} was made for ${told} recipients and is encrypted for ${told === expected.recipients ? 'others' : expected.recipients}`,
      'Somebody who can decrypt it encrypted it anew, for others: take another archive, and see who has the keys.', where);
  }
  return read.data as Manifest;
}

function looseManifest(text: Buffer): { readonly format?: unknown; readonly signer?: unknown; readonly cluster?: unknown } {
  try {
    return JSON.parse(text.toString('utf8')) as object;
  } catch {
    return {};
  }
}
