import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'yaml';
import { FirstlightError } from '../lib/errors.ts';
import { readIfThere } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import { recipientsIn, sopsDecrypt, sopsEncrypt } from '../lib/sops.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { clusterIdentities, type Credentials } from '../nodes/credentials.ts';
import type { FileToCommit, Repository } from './repository.ts';

/** A Secret that lies encrypted in the repository: its path there and what it is in the clear. */
export type SealedSecret = { readonly path: string; readonly plain: object };

/**
 * Why the file in the repository is not this Secret as Flux needs it, or undefined where it is: decrypted with the cluster's
 * own identity (so that Flux can read it too), for exactly the inventory's recipients. Tells nothing of what it holds.
 */
export async function sealFault(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository, secret: SealedSecret): Promise<string | undefined> {
  const path = join(repository.folder, secret.path);
  const text = await readIfThere(path);
  if (text === undefined) return `${secret.path} is not in the repository`;
  const recipients = new Set(recipientsIn(text) ?? []);
  const declared = new Set(cluster.secrets.recipients.map((recipient) => recipient.key));
  if (recipients.size === 0) return `${secret.path} is not encrypted: take what it holds as known to others`;
  if (!isDeepStrictEqual(recipients, declared)) return `${secret.path} is encrypted for other recipients than cluster.yaml names`;
  try {
    const plain: unknown = parse(await sopsDecrypt(withIdentity(host, credentials), path));
    return isDeepStrictEqual(plain, secret.plain) ? undefined : `${secret.path} holds other credentials than the inventory`;
  } catch (error) {
    if (error instanceof FirstlightError && /^E_SOPS/.test(error.code)) return error.message.replaceAll(path, secret.path);
    throw error;
  }
}

/** The Secret encrypted for the inventory's recipients: only its values, so that name and namespace stay readable. Throws what `sopsEncrypt` throws. */
export async function seal(host: Host, cluster: Cluster, secret: SealedSecret): Promise<FileToCommit> {
  const recipients = cluster.secrets.recipients.map((recipient) => recipient.key);
  const content = await sopsEncrypt(host, { plain: stringify(secret.plain), path: secret.path, recipients, encryptedRegex: '^(data|stringData)$' });
  return { path: secret.path, content };
}

function withIdentity(host: Host, credentials: Credentials): Pick<Host, 'run'> {
  const identities = clusterIdentities(credentials);
  if (identities.length === 0) return host;
  for (const identity of identities) host.mask.add(identity);
  return { run: (command) => host.run({ ...command, env: { ...command.env, SOPS_AGE_KEY: identities.join('\n') } }) };
}
