import { join } from 'node:path';
import { createFacts } from '../../bootstrap/facts.ts';
import { flashSteps } from '../../bootstrap/flash.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import { FirstlightError, ManyErrors, problem } from '../../lib/errors.ts';
import { withSignal } from '../../lib/host.ts';
import type { Cluster, ClusterNode } from '../../nodes/cluster.ts';
import { nearest } from '../../nodes/nearest.ts';
import { openCluster } from '../open-cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { duration } from '../terminal/view.ts';

/** `firstlight flash [cluster] NODE…`: only the cards of these nodes. Throws `E_USAGE_NODES` with every unknown name at once. */
export async function flashCommand(session: Session, _argument: string | undefined, _options: Record<string, unknown>, words: readonly string[] = []): Promise<number> {
  const { cluster, names } = await clusterAndNames(words);
  const nodes = namedNodes(cluster, names);
  await provideTools(session, cluster.reader ? ['talosctl', 'sops'] : ['talosctl']);
  const { host, view } = session;
  const journal = session.record(join(cluster.folder, 'runs', new Date(host.clock.now()).toISOString().replace(/[:.]/g, '-')));
  const steps = flashSteps(createFacts(cluster, host.scratch), nodes);
  view.begin(steps);
  try {
    host.emit({ code: 'run.started', message: `flash ${cluster.name} ${nodes.map((node) => node.name).join(' ')}` });
    const result = await runSteps(steps, withSignal(host, host.signal));
    host.emit({ code: 'run.done', data: { ms: result.ms } });
    await view.end();
    const written = result.steps.some((end) => end.step.id === 'cards' && end.end === 'done');
    view.say(`${written ? 'Written and read back' : 'Nothing to write: the cards hold the image already'}: ${nodes.map((node) => node.name).join(', ')}, ${duration(result.ms)}.`);
    view.say(`Put each card into its board, then: firstlight up ${cluster.name}`);
    return 0;
  } finally {
    journal.close();
  }
}

/** The first word is the cluster where it names one; otherwise all are nodes of the only cluster. */
async function clusterAndNames(words: readonly string[]): Promise<{ cluster: Cluster; names: readonly string[] }> {
  const [first, ...rest] = words;
  if (first === undefined) throw noNodes();
  try {
    return { cluster: await openCluster(first), names: rest };
  } catch (error) {
    if (!(error instanceof FirstlightError) || error.code !== 'E_CLUSTER_UNKNOWN') throw error;
    if (first.includes('/')) throw error;
    return { cluster: await openCluster(undefined).catch(() => { throw error; }), names: words };
  }
}

/** The declared nodes by name, in the order given, each once. */
function namedNodes(cluster: Cluster, names: readonly string[]): ClusterNode[] {
  if (names.length === 0) throw noNodes(cluster);
  const known = cluster.nodes.map((node) => node.name);
  const unknown = [...new Set(names)].filter((name) => !known.includes(name)).map((name) => {
    const meant = nearest(name, known);
    return problem('E_USAGE_NODE', `cluster ${cluster.name} has no node ${name}`, `${meant === undefined ? '' : `Did you mean ${meant}? `}There are: ${known.join(', ')}.`);
  });
  if (unknown.length > 0) throw new ManyErrors('E_USAGE_NODES', unknown.length === 1 ? 'one node is unknown' : `${unknown.length} nodes are unknown`, 'Nothing was written.', unknown);
  return [...new Set(names)].map((name) => cluster.nodes.find((node) => node.name === name)!);
}

function noNodes(cluster?: Cluster): Error {
  const there = cluster === undefined ? '' : ` There are: ${cluster.nodes.map((node) => node.name).join(', ')}.`;
  return problem('E_USAGE_NODES', 'no node was named', `Name the nodes whose cards are to be written: firstlight flash ${cluster?.name ?? 'CLUSTER'} NODE…${there}`);
}
