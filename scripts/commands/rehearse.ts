import { moveIn } from '../namespace.ts';
import { openCluster } from '../open-cluster.ts';
import { provideTools, requireSystemPrograms } from '../provide-tools.ts';
import type { Session } from '../session.ts';

/**
 * `firstlight rehearse`: one cluster, several side by side, or a disaster of one. What needs the network is brought before the rehearsal moves into its own;
 * the code of the rehearsal itself is loaded only there.
 */
export async function rehearseCommand(session: Session, argument: string | undefined, options: Record<string, unknown>, words: readonly string[]): Promise<number> {
  if (options['all'] === true) return (await import('./rehearse-all.ts')).rehearseAll(session, words, options);
  if (words.length === 2) {
    const { rehearseScenario, scenarioNamed } = await import('./rehearse-scenario.ts');
    const scenario = await scenarioNamed(words[0]!, words[1]!);
    if (scenario !== undefined) return rehearseScenario(session, argument, scenario, options);
  }
  if (words.length > 1 || options['every'] === true) return (await import('./rehearse-several.ts')).rehearseSeveral(session, words, options);
  const cluster = await openCluster(argument);
  await requireSystemPrograms(session, cluster);
  await provideTools(session);
  const place = await moveIn(session, options['loopback'] === true);
  const { rehearseHere } = await import('./rehearse-here.ts');
  return rehearseHere(session, cluster, place, options);
}
