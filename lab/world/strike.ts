import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '../../nodes/cluster.ts';
import type { World } from './world.ts';

/** What fate does to a world's machines. `nodes` are names. */
export type Stroke =
  | { readonly kill: readonly string[]; readonly what: 'board' | 'card' | 'both' }
  | { readonly lose: 'nas configuration' | 'git host' | 'backups' };

/** What was done, in words, and the MACs of the spare boards that stand in the place of dead ones, by node. */
export type Struck = { readonly told: string; readonly spares: ReadonlyMap<string, string> };

/**
 * Strikes once. The person's hands follow: a dead board has a spare in its place at the switch, and a blank card lies in each reader.
 * Throws RangeError for what the world does not have.
 */
export async function strike(world: World, cluster: Cluster, stroke: Stroke): Promise<Struck> {
  if ('kill' in stroke) {
    const spares = new Map<string, string>();
    for (const node of stroke.kill) await world.kill(node, stroke.what);
    for (const node of stroke.kill) {
      if (stroke.what !== 'card') spares.set(node, await world.spare(node));
      await world.blankCard(node);
    }
    return { told: `${stroke.kill.join(', ')}: ${{ board: 'board dead', card: 'card dead', both: 'board and card dead' }[stroke.what]}`, spares };
  }
  const spares = new Map<string, string>();
  switch (stroke.lose) {
    case 'nas configuration':
      if (!world.nas) throw new RangeError('the world has no NAS');
      await world.nas.forgetConfiguration();
      return { told: 'the NAS has no targets and no mappings any more; its LUNs are there', spares };
    case 'git host': {
      if (!world.git || !cluster.gitops) throw new RangeError('the world has no git host');
      await world.git.lose();
      await world.git.create(new URL(cluster.gitops.url).pathname.replace(/^\//, ''), cluster.gitops.branch);
      return { told: 'the git host is another one: empty, with a host key of its own', spares };
    }
    case 'backups':
      await rm(join(world.clusterFolder, 'backups'), { recursive: true, force: true });
      return { told: 'every place has lost its backups', spares };
  }
}

/** The nodes that hold a session on a LUN, by the NAS. */
export function holders(world: World, cluster: Cluster): readonly string[] {
  const addresses = new Set((world.nas?.sessions() ?? []).map(({ address }) => address));
  return cluster.nodes.filter(({ address }) => addresses.has(address)).map(({ name }) => name);
}
