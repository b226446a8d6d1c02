import { readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { problem } from '../lib/errors.ts';
import { nearest } from './nearest.ts';

/**
 * Finds the cluster that CLUSTER means: a folder with cluster.yaml, that file, or, inside a homelab repository, the name alone.
 * Left out, it is the repository's only cluster, or `bundled` (`<checkout>/examples/homelab/machines/<name>`) inside
 * firstlight's own checkout. Gives the absolute path of the file. Throws `E_CLUSTER_UNKNOWN`, `E_CLUSTER_NONE`, `E_CLUSTER_MANY`.
 */
export async function findCluster(argument: string | undefined, cwd: string, bundled: string): Promise<string> {
  const machines = await machinesFolder(cwd, bundled);
  const names = machines === undefined ? [] : await clustersIn(machines);
  if (argument === undefined) return onlyCluster(machines, names, cwd);
  const asPath = await clusterFileAt(resolve(cwd, argument));
  if (asPath !== undefined) return asPath;
  if (machines !== undefined && names.includes(argument)) return join(machines, argument, 'cluster.yaml');
  const meant = nearest(argument, names);
  const there = names.length === 0 ? 'Give the path of a folder machines/<cluster> or of its cluster.yaml.' : `There are: ${names.join(', ')}.`;
  throw problem('E_CLUSTER_UNKNOWN', `no cluster "${argument}": neither a folder with cluster.yaml, nor such a file, nor a cluster of this repository`,
    meant === undefined ? there : `Did you mean ${meant}? ${there}`);
}

/** The homelab repository that `cwd` lies in: the nearest folder above with machines/<cluster>/cluster.yaml. Throws `E_CLUSTER_NONE`. */
export async function findHomelab(cwd: string, bundled: string): Promise<string> {
  const machines = await machinesFolder(cwd, bundled);
  if (machines === undefined) return onlyCluster(undefined, [], cwd);
  return dirname(machines);
}

/** The cluster.yaml of every cluster of the homelab repository that `cwd` lies in, by folder. Throws `E_CLUSTER_NONE`. */
export async function findClusters(cwd: string, bundled: string): Promise<string[]> {
  const machines = await machinesFolder(cwd, bundled);
  if (machines === undefined) return [onlyCluster(undefined, [], cwd)];
  return (await clustersIn(machines)).map((name) => join(machines, name, 'cluster.yaml'));
}

function onlyCluster(machines: string | undefined, names: readonly string[], cwd: string): string {
  const [only, ...others] = names;
  if (machines === undefined || only === undefined) {
    throw problem('E_CLUSTER_NONE', `there is no cluster in ${cwd} or above it`, 'Go into your homelab repository (the one with machines/), or name a cluster\'s folder; firstlight init DIR makes one.');
  }
  if (others.length > 0) {
    throw problem('E_CLUSTER_MANY', `${machines} has ${names.length} clusters`, `Name one of them: ${names.join(', ')}.`);
  }
  return join(machines, only, 'cluster.yaml');
}

// The nearest machines/ above cwd that holds a cluster; in the checkout not beyond it, and then the bundled one.
async function machinesFolder(cwd: string, bundled: string): Promise<string | undefined> {
  const checkout = resolve(bundled, '../../../..');
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const machines = join(folder, 'machines');
    if ((await clustersIn(machines)).length > 0) return machines;
    if (folder === checkout) return dirname(resolve(bundled));
    if (folder === dirname(folder)) return undefined;
  }
}

async function clustersIn(machines: string): Promise<string[]> {
  const entries = await readdir(machines, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map((entry) => entry.name).sort();
  const files = await Promise.all(folders.map((name) => clusterFileAt(join(machines, name))));
  return folders.filter((_, i) => files[i] !== undefined);
}

async function clusterFileAt(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() === true) return path;
  if (found?.isDirectory() !== true) return undefined;
  const inside = join(path, 'cluster.yaml');
  return (await stat(inside).catch(() => undefined))?.isFile() === true ? inside : undefined;
}
