import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'yaml';
import { FirstlightError, problem } from '../lib/errors.ts';
import { readIfThere } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import { recipientsIn, sopsDecrypt, sopsEncrypt } from '../lib/sops.ts';
import type { Cluster } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { CSI, csiSecret } from './client-info.ts';
import { listsResource, withResource } from './kustomization-file.ts';
import { done, needed, type Observation } from './observation.ts';
import { commitFiles, type FileToCommit, type Repository } from './repository.ts';

const SECRET_PATH = `${CSI.folder}/${CSI.file}`;
const LIST_PATH = `${CSI.folder}/kustomization.yaml`;

/**
 * Looks whether the repository holds the CSI credentials as they are now: decrypted with the cluster's own identity (so
 * that Flux can read them too), for exactly the inventory's recipients, and listed in the folder's kustomization.yaml.
 * Throws `E_GIT_LAYOUT` where the repository has no such folder.
 */
export async function observeCsiSecret(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository): Promise<Observation> {
  const list = await readList(repository);
  const fault = await secretFault(host, cluster, credentials, repository);
  if (fault) return needed(fault);
  if (!listsResource(list, CSI.file, LIST_PATH)) return needed(`${LIST_PATH} does not list ${CSI.file}`);
  return done(`${SECRET_PATH} is up to date`);
}

/**
 * Encrypts the CSI credentials, commits and pushes them; equal ones make no commit. Gives the repository at its revision
 * and whether there was a commit. Throws what `commitFiles`, `sopsEncrypt` and `clientInfo` throw.
 */
export async function ensureCsiSecret(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository): Promise<{ readonly repository: Repository; readonly committed: boolean }> {
  const files: FileToCommit[] = [];
  const list = await readList(repository);
  const listed = withResource(list, CSI.file, LIST_PATH);
  if (listed !== list) files.push({ path: LIST_PATH, content: listed });
  if (await secretFault(host, cluster, credentials, repository)) {
    const recipients = cluster.secrets.recipients.map((recipient) => recipient.key);
    const plain = stringify(csiSecret(cluster, credentials));
    const content = await sopsEncrypt(host, { plain, path: SECRET_PATH, recipients, encryptedRegex: '^(data|stringData)$' });
    files.push({ path: SECRET_PATH, content });
  }
  if (files.length === 0) return { repository, committed: false };
  return commitFiles(host, repository, `Deliver the NAS credentials of ${cluster.name} to the CSI driver`, files);
}

/** Why the encrypted file is not what it should be, or undefined. */
async function secretFault(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository): Promise<string | undefined> {
  if (credentials.nasPassword) host.mask.add(credentials.nasPassword);
  const wanted = csiSecret(cluster, credentials);
  const path = join(repository.folder, SECRET_PATH);
  const text = await readIfThere(path);
  if (text === undefined) return `${SECRET_PATH} is not in the repository`;
  const recipients = new Set(recipientsIn(text) ?? []);
  const declared = new Set(cluster.secrets.recipients.map((recipient) => recipient.key));
  if (recipients.size === 0) return `${SECRET_PATH} is not encrypted: take what it holds as known to others`;
  if (!isDeepStrictEqual(recipients, declared)) return `${SECRET_PATH} is encrypted for other recipients than cluster.yaml names`;
  try {
    const plain: unknown = parse(await sopsDecrypt(withIdentity(host, credentials), path));
    return isDeepStrictEqual(plain, wanted) ? undefined : `${SECRET_PATH} holds other credentials than the inventory`;
  } catch (error) {
    if (error instanceof FirstlightError && /^E_SOPS/.test(error.code)) return error.message.replaceAll(path, SECRET_PATH);
    throw error;
  }
}

function withIdentity(host: Host, credentials: Credentials): Pick<Host, 'run'> {
  const identity = credentials.clusterIdentity;
  if (identity === undefined) return host;
  host.mask.add(identity);
  return { run: (command) => host.run({ ...command, env: { ...command.env, SOPS_AGE_KEY: identity } }) };
}

async function readList(repository: Repository): Promise<string> {
  const text = await readIfThere(join(repository.folder, LIST_PATH));
  if (text !== undefined) return text;
  throw problem('E_GIT_LAYOUT', `the GitOps repository has no ${LIST_PATH} on branch ${repository.branch}`,
    `Copy ${CSI.folder} from firstlight's example homelab repository, push it, and run again.`, { where: { file: LIST_PATH } });
}
