import { join } from 'node:path';
import { createFacts } from '../../bootstrap/facts.ts';
import { flashSteps } from '../../bootstrap/flash.ts';
import { requireNoRebuild } from '../../bootstrap/rebuild/record.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import { withSignal } from '../../lib/host.ts';
import { clusterAndNames, namedNodes } from '../named-nodes.ts';
import { provideTools } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { duration } from '../terminal/view.ts';

const USAGE = { command: 'firstlight flash CLUSTER NODE…', purpose: 'the nodes whose cards are to be written' };

/** `firstlight flash [cluster] NODE…`: only the cards of these nodes. Throws `E_USAGE_NODES` with every unknown name at once. */
export async function flashCommand(session: Session, _argument: string | undefined, _options: Record<string, unknown>, words: readonly string[] = []): Promise<number> {
  const { cluster, names } = await clusterAndNames(words, USAGE);
  const nodes = namedNodes(cluster, names, USAGE);
  await provideTools(session, cluster.reader ? ['talosctl', 'sops'] : ['talosctl']);
  const { host, view } = session;
  const journal = session.record(join(cluster.folder, 'runs', new Date(host.clock.now()).toISOString().replace(/[:.]/g, '-')));
  const facts = createFacts(cluster, host.scratch);
  await requireNoRebuild(facts, nodes);
  const steps = flashSteps(facts, nodes);
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
