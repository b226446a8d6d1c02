import { FirstlightError, ManyErrors, problem } from '../lib/errors.ts';
import type { Cluster, ClusterNode } from '../nodes/cluster.ts';
import { nearest } from '../nodes/nearest.ts';
import { openCluster } from './open-cluster.ts';

/** How a command that takes nodes is called, for its errors: `firstlight flash` and what the nodes are named for. */
export type NodesUsage = { readonly command: string; readonly purpose: string };

/** The cluster and the names behind it: the first word is the cluster where it names one; otherwise all are nodes of the only cluster. */
export async function clusterAndNames(words: readonly string[], usage: NodesUsage): Promise<{ cluster: Cluster; names: readonly string[] }> {
  const [first, ...rest] = words;
  if (first === undefined) throw noNodes(usage);
  try {
    return { cluster: await openCluster(first), names: rest };
  } catch (error) {
    if (!(error instanceof FirstlightError) || error.code !== 'E_CLUSTER_UNKNOWN') throw error;
    if (first.includes('/')) throw error;
    return { cluster: await openCluster(undefined).catch(() => { throw error; }), names: words };
  }
}

/** The declared nodes by name, in the order given, each once. Throws `E_USAGE_NODES` with every unknown name at once, or where none was named. */
export function namedNodes(cluster: Cluster, names: readonly string[], usage: NodesUsage): ClusterNode[] {
  if (names.length === 0) throw noNodes(usage, cluster);
  const known = cluster.nodes.map((node) => node.name);
  const unknown = [...new Set(names)].filter((name) => !known.includes(name)).map((name) => {
    const meant = nearest(name, known);
    return problem('E_USAGE_NODE', `cluster ${cluster.name} has no node ${name}`, `${meant === undefined ? '' : `Did you mean ${meant}? `}There are: ${known.join(', ')}.`);
  });
  if (unknown.length > 0) throw new ManyErrors('E_USAGE_NODES', unknown.length === 1 ? 'one node is unknown' : `${unknown.length} nodes are unknown`, 'Nothing was written.', unknown);
  return [...new Set(names)].map((name) => cluster.nodes.find((node) => node.name === name)!);
}

function noNodes({ command, purpose }: NodesUsage, cluster?: Cluster): Error {
  const there = cluster === undefined ? '' : ` There are: ${cluster.nodes.map((node) => node.name).join(', ')}.`;
  return problem('E_USAGE_NODES', 'no node was named', `Name ${purpose}: ${command.replace('CLUSTER', cluster?.name ?? 'CLUSTER')}${there}`);
}
