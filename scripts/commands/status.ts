import { listBackups, newestOf, type Listing } from '../../bootstrap/archive/list.ts';
import { readCredentials } from '../../bootstrap/credentials.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import { planSteps, type StepEnd } from '../../bootstrap/runner.ts';
import { upSteps } from '../../bootstrap/up.ts';
import { readLock } from '../../lib/lock-file.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { openCluster } from '../open-cluster.ts';
import { provideTools } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { newestText } from '../terminal/backup.ts';
import { statusText, underWayTold } from '../terminal/status.ts';
import { UP_TOOLS } from './up.ts';

/** Milliseconds for each place of backups to say what it has. */
const LISTED_MS = 15_000;

/** `firstlight status`: every step of `up` looked at, none acted on; exit code 2 when something differs from the file, or a rebuild or restore is not finished. */
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
  const lock = await readLock(facts.lockFile);
  if (options['json']) process.stdout.write(`${JSON.stringify({ ...asData(cluster, ends, backups, host.clock.now()), rebuild: lock.rebuild && { node: lock.rebuild.node, since: lock.rebuild.since }, restore: lock.restore && { archive: lock.restore.archive, since: lock.restore.since } })}\n`);
  else session.view.say(`${statusText(cluster, ends, underWayTold(cluster, lock))}\n${backups ? newestText(cluster.name, backups, host.clock.now()) : 'The backups could not be looked at: the credentials don’t open.'}`);
  return different.length > 0 || lock.rebuild || lock.restore ? 2 : 0;
}

/** The status as data: one entry per step, and the newest backup. */
function asData(cluster: Cluster, ends: readonly StepEnd[], backups: Listing | undefined, now: number): object {
  return { cluster: cluster.name, backup: backups && { newest: newestOf(backups.archives, now), silent: backups.silent.map(({ place }) => place) }, steps: ends.map(({ step, end, detail }) => ({ id: step.id, title: step.title, node: step.node, asDeclared: end === 'already', detail })) };
}
