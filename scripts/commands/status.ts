import { listBackups, newestOf, type Listing } from '../../bootstrap/archive/list.ts';
import { readCredentials } from '../../bootstrap/credentials.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import { planSteps, type StepEnd } from '../../bootstrap/runner.ts';
import { upSteps } from '../../bootstrap/up.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { openCluster } from '../open-cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { newestText } from '../terminal/backup.ts';
import { picture } from '../terminal/summary.ts';
import { UP_TOOLS } from './up.ts';

/** Milliseconds for each place of backups to say what it has. */
const LISTED_MS = 15_000;

/** `firstlight status`: every step of `up` looked at, none acted on; exit code 2 when something differs from the file. */
export async function statusCommand(session: Session, argument: string | undefined, options: Record<string, unknown>): Promise<number> {
  const cluster = await openCluster(argument);
  await provideTools(session, UP_TOOLS);
  const facts = createFacts(cluster, session.host.scratch);
  const steps = upSteps(facts);
  session.view.begin(steps);
  const { host } = session;
  const [ends, backups] = await Promise.all([planSteps(steps, host), readCredentials(host, cluster).then((credentials) => listBackups(host, cluster, credentials, LISTED_MS), () => undefined)]);
  await session.view.end();
  const different = ends.filter((end) => end.end === 'would');
  if (options['json']) process.stdout.write(`${JSON.stringify(asData(cluster, ends, backups, host.clock.now()))}\n`);
  else session.view.say(`${statusText(cluster, ends)}\n${backups ? newestText(cluster.name, backups, host.clock.now()) : 'The backups could not be looked at: the credentials don’t open.'}`);
  return different.length > 0 ? 2 : 0;
}

/** The status as data: one entry per step, and the newest backup. */
function asData(cluster: Cluster, ends: readonly StepEnd[], backups: Listing | undefined, now: number): object {
  return { cluster: cluster.name, backup: backups && { newest: newestOf(backups.archives, now), silent: backups.silent.map(({ place }) => place) }, steps: ends.map(({ step, end, detail }) => ({ id: step.id, title: step.title, node: step.node, asDeclared: end === 'already', detail })) };
}

function statusText(cluster: Cluster, ends: readonly StepEnd[]): string {
  const different = ends.filter((end) => end.end === 'would');
  const told = different.map((end) => `  ✗ ${end.step.title}: ${end.detail}`);
  const verdict = different.length === 0 ? `${cluster.name} is as declared: ${ends.length} of ${ends.length} looks agree.`
    : [`${cluster.name} differs from its file in ${different.length} of ${ends.length} looks:`, ...told, '', '`firstlight up` mends what it can.'].join('\n');
  return ['', picture(cluster), '', verdict].join('\n');
}
