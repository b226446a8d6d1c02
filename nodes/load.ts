import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ManyErrors, problem, type FirstlightError } from '../lib/errors.ts';
import type { Cluster } from './cluster.ts';
import { unexplained, withoutPaths, type Fault, type Path } from './fault.ts';
import { readYaml, type Positioned } from './positions.ts';
import { RULES } from './rules.ts';
import { faultsOf } from './schema-faults.ts';
import { clusterFile } from './schema.ts';
import { lunsOfSiblings } from './siblings.ts';
import { toCluster } from './to-cluster.ts';

/**
 * Reads a cluster's declaration: its folder or its cluster.yaml. Throws ManyErrors `E_INVENTORY` with every mistake of the
 * file at once, in file order, each with code `E_INVENTORY_…`, place and hint; LUNs that a sibling cluster declares too; `E_INVENTORY_FILE`
 * where it cannot be read.
 */
export async function loadCluster(path: string): Promise<Cluster> {
  const file = await clusterFileAt(resolve(path));
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw problem('E_INVENTORY_FILE', `cannot read ${file}`, 'Check the path and its permissions.', { where: { file }, cause });
  });
  return loadText(file, text);
}

/** The same for a text that is to be the file's: judged with all that is around the file, which need not hold it yet. Throws as `loadCluster`. */
export async function loadText(file: string, text: string): Promise<Cluster> {
  const folder = dirname(file);
  const cluster = parseCluster(text, file, folder, repositoryOf(folder));
  const shared = await lunsOfSiblings(cluster, file, text);
  if (shared.length > 0) throw many(shared, file);
  return cluster;
}

/** The same for a text in hand; `file` is only named in the mistakes. */
export function parseCluster(text: string, file: string, folder: string, repository: string): Cluster {
  const yaml = readYaml(text, file);
  if (yaml.problems.length > 0) throw many(yaml.problems, file);
  const parsed = clusterFile.safeParse(yaml.data);
  const faults = parsed.success ? [] : parsed.error.issues.flatMap((issue) => faultsOf(issue, yaml.data));
  const malformed: Path[] = faults.filter((fault) => fault.at !== 'key').map((fault) => fault.path);
  const draft = withoutPaths(yaml.data, malformed);
  const all = [...unexplained(faults), ...RULES.flatMap((rule) => [...rule(draft)])];
  if (all.length > 0) throw many(placed(all, yaml), file);
  if (!parsed.success) throw parsed.error;
  return toCluster(parsed.data, folder, repository);
}

async function clusterFileAt(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true ? join(path, 'cluster.yaml') : path;
}

// A cluster's folder is machines/<cluster>/ in the homelab repository; elsewhere it stands for itself.
function repositoryOf(folder: string): string {
  return basename(dirname(folder)) === 'machines' ? dirname(dirname(folder)) : folder;
}

function placed(faults: readonly Fault[], yaml: Positioned): FirstlightError[] {
  const problems = faults.map((fault) => problem(fault.code, fault.message, fault.hint, { where: yaml.place(fault.path, fault.at) }));
  return problems.sort((a, b) => (a.where.line ?? 0) - (b.where.line ?? 0) || (a.where.col ?? 0) - (b.where.col ?? 0));
}

function many(problems: readonly FirstlightError[], file: string): ManyErrors {
  const count = problems.length === 1 ? 'a mistake' : `${problems.length} mistakes`;
  return new ManyErrors('E_INVENTORY', `${file} has ${count}`, 'Correct the file and run the same command again.', problems);
}
