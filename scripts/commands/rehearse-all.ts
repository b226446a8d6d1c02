import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RehearsalRecord } from '../../bootstrap/report/types.ts';
import { readReport } from '../../bootstrap/report/json.ts';
import { loadScenario, scenarioFiles } from '../../bootstrap/scenarios/load.ts';
import { missingPart } from '../../bootstrap/scenarios/parts.ts';
import { problem } from '../../lib/errors.ts';
import { unlockIdentity } from '../identity.ts';
import { HOME, openCluster } from '../open-cluster.ts';
import { provideTools, requireSystemPrograms } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { duration } from '../terminal/view.ts';
import { chooseArchive } from './rehearse-archive.ts';
import { keepReport } from './rehearse-report.ts';
import { SHIPPED } from './rehearse-scenario.ts';

/** Milliseconds for one scenario, on a busy machine. */
const DEADLINE_MS = 45 * 60_000;

/**
 * `firstlight rehearse CLUSTER --all`: every scenario by the ordinary command, one after another, each in a process and a world of its own,
 * all from one backup; then one report over all. Exit code 1 when one failed, 2 when only budgets were missed. Throws `E_SCENARIO` with the
 * mistakes of a file before anything is begun, `E_ABORTED`.
 */
export async function rehearseAll(session: Session, words: readonly string[], options: Record<string, unknown>): Promise<number> {
  const { host, view } = session;
  if (words.length > 1) throw problem('E_USAGE_REHEARSE', '--all rehearses every disaster of one cluster', 'firstlight rehearse CLUSTER --all; every cluster of the repository: --every.');
  const cluster = await openCluster(words[0]);
  const every = await Promise.all([...(await scenarioFiles(cluster.folder, SHIPPED)).values()].map(loadScenario));
  const scenarios = every.filter((each) => missingPart(cluster, each) === undefined);
  for (const each of every) if (!scenarios.includes(each)) view.say(`${each.title} (${each.name}): left out, since ${cluster.name} has no ${missingPart(cluster, each)}.`);
  await requireSystemPrograms(session, cluster);
  await provideTools(session);
  await unlockIdentity(session);
  const archive = await chooseArchive(session, cluster, typeof options['archive'] === 'string' ? options['archive'] : undefined);
  const records: RehearsalRecord[] = [];
  const broken: string[] = [];
  for (const { name, title } of scenarios) {
    const began = host.clock.now();
    view.say(`${title} (${name}) …`);
    const { record, error } = await playOne(session, [join(HOME, 'scripts', 'cli.ts'), 'rehearse', cluster.folder, name, '--json', ...(archive === undefined ? [] : ['--archive', archive]), ...(options['loopback'] ? ['--loopback'] : [])]);
    host.signal.throwIfAborted();
    if (record) records.push(record);
    else broken.push(`${name}: ${error}`);
    view.say(`  ${record ? record.verdict : `could not be rehearsed: ${error}`}, ${duration(host.clock.now() - began)}`);
  }
  if (records.length > 0) await keepReport(session, cluster, records, options['json'] === true);
  if (broken.length > 0) throw problem('E_REHEARSAL', `${broken.length} of ${scenarios.length} disasters could not be rehearsed: ${broken.join('; ')}`, `Rehearse one alone to see why: firstlight rehearse ${cluster.name} ${broken[0]!.split(':')[0]}`);
  return records.some(({ verdict }) => verdict === 'failed') ? 1 : records.some(({ verdict }) => verdict === 'missed budget') ? 2 : 0;
}

/** One scenario in its process; its record, or why there is none. */
async function playOne({ host }: Session, args: readonly string[]): Promise<{ readonly record?: RehearsalRecord; readonly error: string }> {
  let folder: string | undefined;
  let error = 'its process said nothing';
  await host.run({
    program: process.execPath, args, accept: 'any', timeoutMs: DEADLINE_MS, graceMs: 20_000,
    onStdoutLine(line) {
      if (!/"code":"(rehearsal|run\.failed)"/.test(line)) return;
      const told = JSON.parse(line) as { code: string; data?: { folder: string }; error?: { code: string; message: string } };
      if (told.code === 'rehearsal') folder = told.data?.folder;
      else if (told.error) error = `${told.error.code} ${told.error.message}`;
    },
  });
  if (folder === undefined) return { error };
  const file = join(folder, 'report.json');
  const [record] = readReport(await readFile(file, 'utf8'), file);
  return record ? { record, error } : { error };
}
