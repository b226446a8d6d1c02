import { basename, join } from 'node:path';
import { findScenario, scenarioFiles } from '../../bootstrap/scenarios/load.ts';
import { requireParts } from '../../bootstrap/scenarios/parts.ts';
import { findCluster } from '../../nodes/find.ts';
import { unlockIdentity } from '../identity.ts';
import { moveIn } from '../namespace.ts';
import { BUNDLED, HOME, openCluster } from '../open-cluster.ts';
import { provideTools, requireSystemPrograms } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { chooseArchive } from './rehearse-archive.ts';

/** Where the scenarios lie that firstlight brings. */
export const SHIPPED = join(HOME, 'scenarios');

/** Whether the second word is a scenario of the cluster that the first one names, and no cluster itself; then it is given back. */
export async function scenarioNamed(cluster: string, word: string): Promise<string | undefined> {
  const isCluster = await findCluster(word, process.cwd(), BUNDLED).then(() => true, () => false);
  if (isCluster) return undefined;
  const { folder } = await openCluster(cluster);
  return /\.ya?ml$/.test(word) || (await scenarioFiles(folder, SHIPPED)).has(word) || !/\//.test(word) ? word : undefined;
}

/**
 * `firstlight rehearse CLUSTER SCENARIO`: a world is brought into the state of the newest backup (or a fresh one, where there is none),
 * struck, and brought back by the ordinary command; then it is judged and reported. Exit code 0 when all is as expected, 1 when not, 2
 * when only a budget is missed. Throws `E_SCENARIO_…`, `E_ARCHIVE_…`, what the bring-up throws: then nothing was judged.
 */
export async function rehearseScenario(session: Session, argument: string | undefined, name: string, options: Record<string, unknown>): Promise<number> {
  const { view } = session;
  const real = await openCluster(argument);
  const scenario = await findScenario(name, real.folder, SHIPPED);
  requireParts(real, scenario);
  await requireSystemPrograms(session, real);
  await provideTools(session);
  await unlockIdentity(session);
  const file = await chooseArchive(session, real, typeof options['archive'] === 'string' ? options['archive'] : undefined);
  // Inside a network of its own no place can be asked any more: the command that goes on there is told which file it is.
  if (file !== undefined && options['archive'] !== file) process.argv.push('--archive', file);
  const place = await moveIn(session, options['loopback'] === true);
  const [{ openGiven }, { play }] = await Promise.all([import('./rehearse-given.ts'), import('./rehearse-play.ts')]);
  const opened = file !== undefined && 'left' in place ? await openGiven(session, real, file) : undefined;
  if (file !== undefined && !opened) view.say(`${basename(file)} holds addresses that only a network of the rehearsal's own can have, and this system gives none: a fresh cluster takes its place.`);
  const record = await play(session, real, scenario, opened, place);
  const { keepReport } = await import('./rehearse-report.ts');
  await keepReport(session, real, [record], options['json'] === true);
  return record.verdict === 'passed' ? 0 : record.verdict === 'failed' ? 1 : 2;
}
