import { lstat, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { problem, type FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Cluster, Recipient } from '../../nodes/cluster.ts';
import { loadCluster } from '../../nodes/load.ts';
import { SHARED_ACCOUNT, SHARED_ACCOUNT_HINT } from '../csi-folder.ts';
import { secretContent, type SecretContent } from './manifest.ts';
import { workTreePaths } from './own-git.ts';

/** The owner's homelab repository as it lies in front of him: a git work tree, and every cluster that it declares. */
export type Homelab = { readonly root: string; readonly clusters: readonly Cluster[] };

/** A file with something secret in it: its path from the root, with slashes. */
export type SecretFile = { readonly path: string; readonly text: string; readonly content: SecretContent };

const BIGGEST = 2 * 1024 * 1024;

/** Opens the repository that holds these clusters' folders. Throws `E_HOMELAB_GIT` outside git, `E_INVENTORY` for a cluster that can't be read. */
export async function openHomelab(host: Host, root: string): Promise<Homelab> {
  const found = await host.run({ program: 'git', args: ['rev-parse', '--is-inside-work-tree'], cwd: root, accept: 'any' });
  if (/dubious ownership/.test(found.stderr)) throw problem('E_HOMELAB_GIT', `git does not trust ${root}: it belongs to another user`, `Allow it once: git config --global --add safe.directory ${root}`);
  if (found.stdout.trim() !== 'true') throw problem('E_HOMELAB_GIT', `${root} is no git work tree`, 'Go into your homelab repository, or make it one with `git init`.');
  const names = await readdir(join(root, 'machines')).catch(() => [] as string[]);
  const clusters: Cluster[] = [];
  for (const name of names.sort()) {
    const folder = join(root, 'machines', name);
    if ((await stat(join(folder, 'cluster.yaml')).catch(() => undefined))?.isFile()) clusters.push(await loadCluster(folder));
  }
  return { root, clusters };
}

/** Every file of the work tree with secrets in it, encrypted or plain; what git ignores is left out, links too: what they lead to is judged where it lies. */
export async function secretFiles(host: Host, homelab: Homelab): Promise<SecretFile[]> {
  const files: SecretFile[] = [];
  for (const path of await workTreePaths(host, homelab.root)) {
    const whole = join(homelab.root, path);
    const found = await lstat(whole).catch(() => undefined);
    if (!found?.isFile() || found.size > BIGGEST) continue;
    const text = await readFile(whole, 'utf8').catch(() => '');
    const content = secretContent(path, text);
    if (content.kind !== 'none') files.push({ path, text, content });
  }
  return files;
}

/** Refuses a path that is, or leads through, a symbolic link (`E_SECRETS_LINK`): git would not take the file there, and writing would replace the link. */
export async function requireNoLink(homelab: Homelab, path: string): Promise<void> {
  const root = await realpath(homelab.root);
  for (let part = path; part !== '.' && part !== '/'; part = dirname(part)) {
    if (!(await lstat(join(root, part)).catch(() => undefined))?.isSymbolicLink()) continue;
    throw problem('E_SECRETS_LINK', `${part} is a symbolic link`, 'Name the file by the path where it really lies.', { where: { file: path } });
  }
}

/**
 * The clusters that read a file: the one whose folder or name stands in its path (`machines/gandalf/…`, `apps/gandalf/…`), else
 * all of them, since base and infrastructure are shared.
 */
export function readersOf(homelab: Homelab, path: string): readonly Cluster[] {
  const segments = path.split('/');
  const own = homelab.clusters.filter((cluster) => segments.some((segment) => segment === cluster.name || segment === basename(cluster.folder)));
  return own.length > 0 ? own : homelab.clusters;
}

/** Why one cluster's own secret lies where every cluster reads (`E_SECRETS_SHARED`): nobody can say for whom it is to be encrypted there. */
export function sharedFault(homelab: Homelab, path: string): FirstlightError | undefined {
  if (path !== SHARED_ACCOUNT || homelab.clusters.length < 2) return undefined;
  return problem('E_SECRETS_SHARED', `${path} is the NAS account of one cluster, and ${homelab.clusters.map((cluster) => cluster.name).join(' and ')} apply it`, SHARED_ACCOUNT_HINT, { where: { file: path } });
}

/** For whom a file has to be encrypted: the recipients of all clusters that read it, each once. */
export function recipientsFor(homelab: Homelab, path: string): readonly Recipient[] {
  const all = readersOf(homelab, path).flatMap((cluster) => cluster.secrets.recipients);
  return all.filter((one, index) => all.findIndex((other) => other.key === one.key) === index);
}
