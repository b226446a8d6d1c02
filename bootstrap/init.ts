import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { Netmask } from 'netmask';
import { SHARED_ACCOUNT, SHARED_ACCOUNT_HINT } from '../gitops/csi-folder.ts';
import { missingFiles, sharedFolders, skeletonFiles, type Answers, type NewFile } from '../gitops/skeleton/template.ts';
import { sopsRules } from '../gitops/skeleton/sops-rules.ts';
import { ownGit } from '../gitops/secrets/own-git.ts';
import { escrowPages } from '../gitops/secrets/page.ts';
import { problem } from '../lib/errors.ts';
import { readIfThere, writeWhole } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import { newSshKey } from '../lib/ssh-key.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { parseCluster, loadCluster } from '../nodes/load.ts';
import { writeCredentials } from './credentials.ts';

/** What a person says of a new cluster. `owner` is his age recipient; `template` the bundled homelab's folder. */
export type NewCluster = { readonly root: string; readonly template: string; readonly name: string; readonly prefix: string; readonly url?: string; readonly owner: string };

/** What init is about to do; nothing is written yet. `files` are only those that are missing. */
export type InitPlan = {
  readonly root: string;
  readonly cluster: Cluster;
  readonly clusterIdentity: string;
  readonly repositoryIsNew: boolean;
  readonly files: readonly NewFile[];
  /** What `.sops.yaml` would have to say, where there is one that does not know the new cluster. */
  readonly rules?: string;
  readonly offline?: { readonly identity: string; readonly page: string };
  /** What has to be moved first, where another cluster's NAS account lies where this one would apply it too. */
  readonly move?: string;
};

/** What was made: the public half of the new git key, which the git host must be told. */
export type InitResult = { readonly gitKey: string; readonly commit: string | undefined };

/**
 * Thinks a new cluster up, in an empty folder or in a homelab repository that is there. Keys are made in memory. Where the
 * repository has other clusters their offline recipient is this one's too; else a new one is made, for a page beside the folder.
 * Throws `E_INIT_NAME`, `E_INIT_TAKEN` (the cluster is there), `E_INIT_NETWORK`, `E_INVENTORY` for another cluster that can't be read.
 */
export async function planInit(host: Host, wanted: NewCluster): Promise<InitPlan> {
  const { root, name, prefix } = wanted;
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) throw problem('E_INIT_NAME', `"${name}" can't be a cluster's name`, 'Use small letters, digits and hyphens, 32 at most.');
  if (!/^(10|172\.(1[6-9]|2\d|3[01])|192\.168)(\.\d{1,3}){1,2}$/.test(prefix) || prefix.split('.').length !== 3 || prefix.split('.').some((part) => Number(part) > 255)) {
    throw problem('E_INIT_NETWORK', `"${prefix}" is no start of a private /24`, 'Say its first three numbers, like 192.168.77.');
  }
  if ((await sharedFolders(wanted.template)).has(name)) throw problem('E_INIT_NAME', `"${name}" is a folder that all clusters share`, 'What lies below a cluster\'s name is that cluster\'s alone: take another name.');
  const others = await clustersOf(root);
  if (others.some((cluster) => cluster.name === name)) throw problem('E_INIT_TAKEN', `the repository has a cluster ${name} already`, `Change machines/${name}/cluster.yaml, or say another --name.`);
  const near = others.find((cluster) => new Netmask(cluster.network.subnet).contains(`${prefix}.0`));
  if (near) throw problem('E_INIT_NETWORK', `${prefix}.0/24 is the network of cluster ${near.name}: both would have the same addresses`, 'Say another --network; in one network with it, give the boards, the endpoint and the rest free addresses in cluster.yaml.');
  const clusterIdentity = await generateX25519Identity();
  host.mask.add(clusterIdentity);
  const known = others.flatMap((cluster) => cluster.secrets.recipients).find((one) => one.role === 'offline')?.key;
  const offlineIdentity = known === undefined ? await generateX25519Identity() : undefined;
  if (offlineIdentity !== undefined) host.mask.add(offlineIdentity);
  const offline = known ?? await identityToRecipient(offlineIdentity ?? '');
  const answers: Answers = { name, prefix, ...(wanted.url === undefined ? {} : { url: wanted.url }), recipients: { cluster: await identityToRecipient(clusterIdentity), owner: wanted.owner, offline } };
  const files = await skeletonFiles(wanted.template, answers);
  const inventory = files.find((file) => file.path === `machines/${name}/cluster.yaml`);
  const folder = join(root, 'machines', name);
  const made = parseCluster(inventory?.text ?? '', inventory?.path ?? '', folder, root);
  const rules = sopsRules([...others, made]);
  files.push({ path: '.sops.yaml', text: rules });
  const there = await readIfThere(join(root, '.sops.yaml'));
  return {
    root, cluster: made, clusterIdentity, repositoryIsNew: !existsSync(join(root, '.git')),
    files: inventoryLast(await missingFiles(root, files)),
    ...(there === undefined || there.includes(answers.recipients.cluster) ? {} : { rules }),
    ...(existsSync(join(root, SHARED_ACCOUNT)) ? { move: `${SHARED_ACCOUNT} is another cluster's NAS account. ${SHARED_ACCOUNT_HINT}` } : {}),
    ...(offlineIdentity === undefined ? {} : { offline: { identity: offlineIdentity, page: join(dirname(root), `${basename(root)}-escrow.html`) } }),
  };
}

/**
 * Writes what was planned: the page with the offline key first, then the credentials with the cluster's key and a new git key, then
 * the files, cluster.yaml last: until it is there the cluster is not, and init may be run again. A new repository gets its first commit. Nothing that is there is overwritten: throws `E_ESCROW_PAGE`, `E_SOPS_…`.
 */
export async function runInit(host: Host, plan: InitPlan): Promise<InitResult> {
  const { root, cluster, offline } = plan;
  await mkdir(root, { recursive: true });
  if (offline) {
    if (existsSync(offline.page)) throw problem('E_ESCROW_PAGE', `${offline.page} is there already`, 'Nothing is overwritten: it may be the only copy of a key. Move it away, then run again.');
    const date = new Date(host.clock.now()).toISOString().slice(0, 10);
    const page = { line: offline.identity, recipient: await identityToRecipient(offline.identity), homelab: basename(root), clusters: [cluster.name], date };
    await writeWhole(offline.page, escrowPages([page]), 0o600);
  }
  const key = newSshKey();
  host.mask.add(key.private);
  await writeCredentials(host, cluster, { clusterIdentity: plan.clusterIdentity, gitKey: key.private, chap: {} });
  for (const file of plan.files) await writeWhole(join(root, file.path), file.text);
  if (!plan.repositoryIsNew) return { gitKey: key.public, commit: undefined };
  await ownGit(host, root, ['init', '--quiet', `--initial-branch=${cluster.gitops?.branch ?? 'main'}`, '.']);
  const paths = [...plan.files.map((file) => file.path), relative(root, join(cluster.folder, 'credentials.sops.yaml'))];
  await ownGit(host, root, ['add', '--', ...paths]);
  await ownGit(host, root, ['commit', '--quiet', '--message', `Describe the homelab, with cluster ${cluster.name}`]);
  return { gitKey: key.public, commit: (await ownGit(host, root, ['rev-parse', 'HEAD'])).stdout.trim() };
}

function inventoryLast(files: readonly NewFile[]): NewFile[] {
  const isInventory = (file: NewFile): boolean => file.path.endsWith('/cluster.yaml');
  return [...files.filter((file) => !isInventory(file)), ...files.filter(isInventory)];
}

async function clustersOf(root: string): Promise<Cluster[]> {
  const names = await readdir(join(resolve(root), 'machines')).catch(() => [] as string[]);
  const folders = names.map((name) => join(root, 'machines', name)).filter((folder) => existsSync(join(folder, 'cluster.yaml')));
  return Promise.all(folders.sort().map((folder) => loadCluster(folder)));
}
