import { checkSteps, runChecks } from '../../bootstrap/check.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import { openCluster } from '../open-cluster.ts';
import { provideTools, requireSystemPrograms } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { UP_TOOLS } from './up.ts';

/** `firstlight check`: the file, the tools and everything the file names; changes nothing. */
export async function checkCommand(session: Session, argument: string | undefined): Promise<number> {
  const cluster = await openCluster(argument);
  session.view.say(`✔ ${cluster.name}: cluster.yaml is valid (${cluster.nodes.length} nodes)`);
  await requireSystemPrograms(session, cluster);
  await provideTools(session, UP_TOOLS);
  const steps = checkSteps(createFacts(cluster, session.host.scratch));
  session.view.begin(steps);
  await runChecks(steps, session.host);
  return 0;
}
