import { join } from 'node:path';
import { identityToRecipient } from 'age-encryption';
import { randomBytes } from 'node:crypto';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { problem, ManyErrors, type FirstlightError } from '../lib/errors.ts';
import { readIfThere, writeWhole } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import { sopsDecrypt, sopsEncrypt } from '../lib/sops.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { clusterIdentities, type Credentials } from '../nodes/credentials.ts';

/** The file's shape, as a person fills it in with `sops edit`. */
const File = z.strictObject({
  clusterIdentity: z.string().optional(),
  nextClusterIdentity: z.string().optional(),
  clusterIdentitySince: z.string().optional(),
  switchPassword: z.string().optional(),
  nasPassword: z.string().optional(),
  gitKey: z.string().optional(),
  readerKey: z.string().optional(),
  vaultClientSecret: z.string().optional(),
  backupKey: z.string().optional(),
  places: z.record(z.string(), z.strictObject({ password: z.string().optional(), privateKey: z.string().optional(), accessKeyId: z.string().optional(), secretAccessKey: z.string().optional() })).optional(),
  chap: z.record(z.string(), z.string()).default({}),
  mutualChap: z.record(z.string(), z.string()).optional(),
});

/** `<cluster folder>/credentials.sops.yaml`. */
export function credentialsPath(cluster: Cluster): string {
  return join(cluster.folder, 'credentials.sops.yaml');
}

/**
 * Decrypts the credentials and hides every value from all output. A cluster that needs none may lack the file.
 * Throws `E_CREDENTIALS` naming every value the cluster needs and the file lacks, `E_SOPS_…` where it can't be decrypted.
 */
export async function openCredentials(host: Host, cluster: Cluster): Promise<Credentials> {
  const credentials = await readCredentials(host, cluster);
  const path = credentialsPath(cluster);
  const missing = await findMissing(cluster, credentials, path);
  if (missing.length > 0) throw new ManyErrors('E_CREDENTIALS', `${missing.length} of the credentials are missing or wrong`, `Put them in with \`sops edit ${path}\`.`, missing);
  return credentials;
}

/** The same without asking what is missing. Throws `E_CREDENTIALS` for a file of another shape, `E_SOPS_…`. */
export async function readCredentials(host: Host, cluster: Cluster): Promise<Credentials> {
  const path = credentialsPath(cluster);
  const there = await readIfThere(path) !== undefined;
  const parsed = File.safeParse(there ? parse(await sopsDecrypt(host, path)) : {});
  if (!parsed.success) {
    const keys = parsed.error.issues.map((issue) => issue.path.join('.') || issue.message).join(', ');
    throw problem('E_CREDENTIALS', `the credentials are not of the right shape: ${keys}`, 'Mend them with `sops edit`; the README shows the file.', { where: { file: path } });
  }
  const { chap, mutualChap = {}, places = {}, clusterIdentitySince: _, ...values } = parsed.data;
  for (const secret of [values, chap, mutualChap, ...Object.values(places)].flatMap((each) => Object.values(each))) if (secret) host.mask.add(secret);
  return parsed.data as Credentials;
}

/** The names of LUNs whose CHAP secret, or one of whose two for mutual CHAP, does not exist yet. */
export function lunsWithoutChap(cluster: Cluster, credentials: Credentials): string[] {
  const luns = cluster.nas?.luns ?? [];
  return luns.filter((lun) => !credentials.chap[lun.name] || (lun.mutualUser !== undefined && !credentials.mutualChap?.[lun.name])).map((lun) => lun.name);
}

/** Makes the CHAP secrets (16 characters, DSM's longest) that LUNs lack and writes the file encrypted; others stay. */
export async function makeChapSecrets(host: Host, cluster: Cluster): Promise<void> {
  const credentials = await openCredentials(host, cluster);
  const chap: Record<string, string> = { ...credentials.chap };
  const mutualChap: Record<string, string> = { ...credentials.mutualChap };
  const made = (): string => {
    const secret = randomBytes(12).toString('base64url');
    host.mask.add(secret);
    return secret;
  };
  for (const lun of cluster.nas?.luns ?? []) {
    chap[lun.name] ||= made();
    if (lun.mutualUser !== undefined) mutualChap[lun.name] ||= made();
  }
  await writeCredentials(host, cluster, { ...credentials, chap, ...(Object.keys(mutualChap).length === 0 ? {} : { mutualChap }) });
}

/** Writes the credentials, encrypted for the inventory's recipients (0600, whole or not at all). */
export async function writeCredentials(host: Host, cluster: Cluster, credentials: Credentials): Promise<void> {
  const path = credentialsPath(cluster);
  const recipients = cluster.secrets.recipients.map((recipient) => recipient.key);
  await writeWhole(path, await sopsEncrypt(host, { plain: stringify(credentials), path, recipients }), 0o600);
}

async function findMissing(cluster: Cluster, file: Credentials, path: string): Promise<FirstlightError[]> {
  const faults: FirstlightError[] = [];
  const need = (key: keyof typeof file, section: string): void => {
    if (!file[key]) faults.push(problem('E_CREDENTIALS_MISSING', `${key} is missing, and the inventory has a section ${section}`, `Add ${key} with \`sops edit\`.`, { where: { file: path } }));
  };
  if (cluster.power) need('switchPassword', 'switch');
  if (cluster.nas) need('nasPassword', 'nas');
  if (cluster.gitops) { need('gitKey', 'gitops'); need('clusterIdentity', 'gitops'); }
  if (cluster.vault) need('vaultClientSecret', 'vault');
  faults.push(...missingOfPlaces(cluster, file, path));
  if (file.clusterIdentity) {
    const declared = cluster.secrets.recipients.find((recipient) => recipient.role === 'cluster')?.key;
    const own = await Promise.all(clusterIdentities(file).map((identity) => identityToRecipient(identity).catch(() => undefined)));
    if (!own.includes(declared)) faults.push(problem('E_CREDENTIALS_IDENTITY', 'clusterIdentity is not the private half of the recipient with role cluster', 'Put in the identity that belongs to that recipient, or mend secrets.recipients in cluster.yaml.', { where: { file: path } }));
  }
  return faults;
}

function missingOfPlaces(cluster: Cluster, { places = {} }: Credentials, path: string): FirstlightError[] {
  return cluster.backup.places.flatMap(({ kind, name }) => {
    const { password, privateKey, accessKeyId, secretAccessKey } = places[name] ?? {};
    const missing = kind === 'sftp' && !password && !privateKey ? ['password or privateKey'] : kind === 's3' ? [...(accessKeyId ? [] : ['accessKeyId']), ...(secretAccessKey ? [] : ['secretAccessKey'])] : [];
    return missing.map((key) => problem('E_CREDENTIALS_MISSING', `places.${name} has no ${key}, and the inventory’s backup has a place ${name}`, `Add it under places.${name} with \`sops edit\`.`, { where: { file: path } }));
  });
}
