import { join } from 'node:path';
import { parse } from 'yaml';
import { problem } from '../lib/errors.ts';
import { readIfThere } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster } from '../nodes/cluster.ts';
import type { Credentials } from '../nodes/credentials.ts';
import { listsResource, withResource } from './kustomization-file.ts';
import { holds, withFields } from './manifest-file.ts';
import { done, needed, type Observation } from './observation.ts';
import { commitFiles, type FileToCommit, type Repository } from './repository.ts';
import { seal, sealFault } from './sealed-secret.ts';

/**
 * What firstlight writes into one folder of the GitOps repository, by file name: Secrets, which lie there encrypted, and
 * manifests in the clear. Each file is listed in the folder's kustomization.yaml; whatever else is in the folder is the owner's.
 */
export type Delivery = {
  readonly folder: string;
  readonly secrets: Readonly<Record<string, object>>;
  readonly manifests: Readonly<Record<string, object>>;
  /** What else the kustomization.yaml must list: what lies elsewhere in the repository already. */
  readonly lists?: readonly string[];
  /** Where the folder has no kustomization.yaml: one is made, or none is needed (Flux takes a folder without one whole); else that is `E_GIT_LAYOUT`. */
  readonly unlisted?: 'make' | 'allow';
  /** The commit's message. */
  readonly message: string;
};

const EMPTY_LIST = 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n';

type Missing = { readonly why: string; readonly make: () => Promise<FileToCommit> };

/**
 * Looks whether the repository holds the delivery as it is now. Fields and comments that the owner put into a manifest are
 * left alone. Throws `E_GIT_LAYOUT` where the repository has no such folder.
 */
export async function observeDelivery(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository, delivery: Delivery): Promise<Observation> {
  const missing = await findMissing(host, cluster, credentials, repository, delivery);
  if (missing.length > 0) return needed(missing.map(({ why }) => why).join('; '));
  return done(`${names(delivery).map((name) => `${delivery.folder}/${name}`).join(', ')} up to date`);
}

/**
 * Writes, commits and pushes what is missing or differs; nothing makes no commit. Gives the repository at its revision and
 * whether there was a commit. Throws what `commitFiles` and `sopsEncrypt` throw, and `E_GIT_LAYOUT`.
 */
export async function ensureDelivery(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository, delivery: Delivery): Promise<{ readonly repository: Repository; readonly committed: boolean }> {
  const files: FileToCommit[] = [];
  for (const { make } of await findMissing(host, cluster, credentials, repository, delivery)) files.push(await make());
  if (files.length === 0) return { repository, committed: false };
  return commitFiles(host, repository, delivery.message, files);
}

async function findMissing(host: Host, cluster: Cluster, credentials: Credentials, repository: Repository, delivery: Delivery): Promise<Missing[]> {
  const missing: Missing[] = [];
  const listPath = `${delivery.folder}/kustomization.yaml`;
  const list = await readList(repository, delivery, listPath);
  for (const [name, plain] of Object.entries(delivery.secrets)) {
    const secret = { path: `${delivery.folder}/${name}`, plain };
    const why = await sealFault(host, cluster, credentials, repository, secret);
    if (why !== undefined) missing.push({ why, make: () => seal(host, cluster, secret) });
  }
  for (const [name, wanted] of Object.entries(delivery.manifests)) {
    const path = `${delivery.folder}/${name}`;
    const text = await readIfThere(join(repository.folder, path));
    if (text !== undefined && holds(readQuietly(text), wanted)) continue;
    missing.push({ why: text === undefined ? `${path} is not in the repository` : `${path} says something else than the cluster`, make: async () => ({ path, content: withFields(text, wanted, path) }) });
  }
  const unlisted = list === undefined ? [] : [...names(delivery), ...delivery.lists ?? []].filter((name) => !listsResource(list, name, listPath));
  if (list !== undefined && unlisted.length > 0) {
    const content = unlisted.reduce((text, name) => withResource(text, name, listPath), list);
    missing.push({ why: `${listPath} does not list ${unlisted.join(', ')}`, make: async () => ({ path: listPath, content }) });
  }
  return missing;
}

function names(delivery: Delivery): string[] {
  return [...Object.keys(delivery.secrets), ...Object.keys(delivery.manifests)];
}

function readQuietly(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

async function readList(repository: Repository, { folder, unlisted }: Delivery, path: string): Promise<string | undefined> {
  const text = await readIfThere(join(repository.folder, path));
  if (text !== undefined || unlisted === 'allow') return text;
  if (unlisted === 'make') return EMPTY_LIST;
  throw problem('E_GIT_LAYOUT', `the GitOps repository has no ${path} on branch ${repository.branch}`,
    `Copy ${folder} from firstlight's example homelab repository (where gandalf stands for the cluster), and what in clusters/ reads it; push it, and run again.`, { where: { file: path } });
}
