import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { problem, type FirstlightError } from '../lib/errors.ts';
import type { Cluster } from './cluster.ts';
import { readYaml } from './positions.ts';

/** What a LUN is known by; two clusters must not share one of these on one NAS. */
const KEYS = ['name', 'iqn', 'uuid'] as const;

type Known = { readonly [Key in (typeof KEYS)[number]]?: unknown };

/**
 * LUNs that another cluster of the same homelab repository declares on the same NAS: one mistake for each, `E_INVENTORY_LUN_SHARED`,
 * with its place in this cluster's file and the other's in the message. Only well-formed parts of the other files are looked at:
 * their own mistakes are told when they are used.
 */
export async function lunsOfSiblings(cluster: Cluster, file: string, text: string): Promise<readonly FirstlightError[]> {
  const { nas } = cluster;
  if (!nas || basename(dirname(cluster.folder)) !== 'machines') return [];
  const machines = dirname(cluster.folder);
  const names = (await readdir(machines, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const others = names.filter((name) => join(machines, name) !== cluster.folder).toSorted();
  const own = readYaml(text, file);
  const found: FirstlightError[] = [];
  for (const other of others) {
    const path = join(machines, other, 'cluster.yaml');
    const yaml = readYaml(await readFile(path, 'utf8').catch(() => ''), path);
    const theirs = nasOf(yaml.data);
    if (theirs?.address !== nas.address) continue;
    nas.luns.forEach((lun, index) => theirs.luns.forEach((each, at) => {
      const shared = KEYS.find((key) => lun[key] !== undefined && lun[key] === each?.[key] && !(key === 'name' && lun.uuid !== undefined && each?.uuid !== undefined));
      if (shared === undefined) return;
      const there = yaml.place(['nas', 'luns', at, shared]);
      found.push(problem('E_INVENTORY_LUN_SHARED', `nas.luns[${index}].${shared}: ${lun[shared]} is a LUN of the cluster in machines/${other} too (cluster.yaml:${there.line}:${there.col})`,
        'Two clusters writing one LUN destroy its data: give each a LUN of its own, or take it out of the one that has given it up.', { where: own.place(['nas', 'luns', index, shared]) }));
    }));
  }
  return found;
}

/** The NAS's address and LUNs in a file's data, as far as they have the right form. */
function nasOf(data: unknown): { readonly address: unknown; readonly luns: readonly (Known | undefined)[] } | undefined {
  const nas = (data as { readonly nas?: { readonly address?: unknown; readonly luns?: unknown } } | null | undefined)?.nas;
  return Array.isArray(nas?.luns) ? { address: nas.address, luns: nas.luns as (Known | undefined)[] } : undefined;
}
