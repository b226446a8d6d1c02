import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createFacts } from '../../bootstrap/facts.ts';
import { giveUpRestore, leftBy } from '../../bootstrap/restore/give-up.ts';
import { planRestore, restore, type Restored, type RestoreRequest, type RestoreRun } from '../../bootstrap/restore/restore.ts';
import { readCredentials } from '../../bootstrap/credentials.ts';
import type { Patience } from '../../bootstrap/up.ts';
import { ManyErrors, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { clusterIdentities } from '../../nodes/credentials.ts';
import { ownIdentities } from '../identity.ts';
import { openCluster } from '../open-cluster.ts';
import { provideTools, requireSystemPrograms } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { lookData, lookText, restoreData, restoreSummary } from '../terminal/restore.ts';
import { planText, stepData } from '../terminal/rebuild.ts';
import { takePaper } from './secrets-desk.ts';
import { UP_TOOLS } from './up.ts';

/** Programs that a restore runs: those of a bring-up, and etcd (with etcdutl and etcdctl), which proves a snapshot. */
export const RESTORE_TOOLS = [...UP_TOOLS, 'etcd'];

/** `firstlight restore [cluster] [archive]`: says what is lost and brings it back from a backup; exit code 0 when it is back, 2 where `--dry-run` found something to do. */
export async function restoreCommand(session: Session, _argument: string | undefined, options: Record<string, unknown>, words: readonly string[]): Promise<number> {
  const { cluster, archive } = await clusterAndArchive(words);
  if (options['giveUp']) return giveUp(session, cluster);
  await requireSystemPrograms(session, cluster);
  await provideTools(session, RESTORE_TOOLS);
  if (options['withPaper']) await takePaper(session);
  const request: RestoreRequest = { identities: await identitiesFor(session, cluster), force: options['force'] === true, ...(archive === undefined ? {} : { named: archive }) };
  if (options['dryRun']) return dryRun(session, cluster, request, options);
  const done = await runRestore(session, session.host, cluster, request, shownBy(session, options));
  await session.view.end();
  if (options['json']) process.stdout.write(`${session.host.mask.hide(JSON.stringify(restoreData(done)))}\n`);
  else session.view.say(restoreSummary(done));
  return 0;
}

async function giveUp({ host, view }: Session, cluster: Cluster): Promise<number> {
  const record = await giveUpRestore(host, createFacts(cluster, host.scratch));
  await view.end();
  view.say([`The restore of ${cluster.name} is given up.`, ...leftBy(record), 'Commit firstlight.lock.yaml.'].join('\n'));
  return 0;
}

/** The restore itself, the same for a real cluster and a rehearsed one: journalled in the cluster's `runs` folder. */
export async function runRestore(session: Session, host: Host, cluster: Cluster, request: RestoreRequest, run: RestoreRun & { readonly patience?: Patience } = {}): Promise<Restored> {
  const journal = session.record(join(cluster.folder, 'runs', new Date(host.clock.now()).toISOString().replace(/[:.]/g, '-')));
  try {
    return await restore(host, cluster, request, { begin: (steps) => session.view.begin(steps), ...run });
  } finally {
    journal.close();
  }
}

/** The person's age identities; where none lies in the clear, the cluster's own, as far as the credentials open. */
async function identitiesFor(session: Session, cluster: Cluster): Promise<readonly string[]> {
  const own = await ownIdentities(session);
  return own.length > 0 ? own : clusterIdentities(await readCredentials(session.host, cluster));
}

function shownBy({ host, view }: Session, options: Record<string, unknown>): RestoreRun {
  return {
    begin: (steps) => view.begin(steps),
    looked: (cluster, proven, look, verdict) => {
      if (options['json']) process.stdout.write(`${host.mask.hide(JSON.stringify({ code: 'restore.look', ...lookData(cluster, proven, look, verdict) }))}\n`);
      else view.say(host.mask.hide(lookText(cluster, proven, look, verdict)));
    },
  };
}

async function dryRun(session: Session, cluster: Cluster, request: RestoreRequest, options: Record<string, unknown>): Promise<number> {
  const { verdict, steps } = await planRestore(session.host, cluster, request, shownBy(session, options));
  await session.view.end();
  if (options['json']) process.stdout.write(`${session.host.mask.hide(JSON.stringify({ code: 'restore.plan', steps: steps.map(stepData) }))}\n`);
  else if (steps.length > 0) session.view.say(`\nWhat a restore would do, step by step:\n${planText(steps)}`);
  const errors = verdict?.refusals.map(({ error }) => error) ?? [];
  if (steps.length === 0 && errors.length > 0) throw errors.length === 1 ? errors[0]! : new ManyErrors('E_RESTORE_REFUSED', `${errors.length} things forbid this restore`, 'Mend each of them and run again.', errors);
  return steps.some((end) => end.end === 'would') ? 2 : 0;
}

/** The first word is the cluster unless it is an archive; an archive is a file, or a name that ends with .firstlight. */
async function clusterAndArchive(words: readonly string[]): Promise<{ readonly cluster: Cluster; readonly archive?: string }> {
  const named = words.find((word) => word.endsWith('.firstlight')) ?? words[1];
  const [cluster, ...rest] = words.filter((word) => word !== named);
  if (rest.length > 0) throw problem('E_USAGE_RESTORE', 'restore takes a cluster and one archive', 'firstlight restore CLUSTER [ARCHIVE]; archives are those of `firstlight backup list`, or files.');
  const isFile = named !== undefined && await stat(named).then((found) => found.isFile(), () => false);
  return { cluster: await openCluster(cluster), ...(named === undefined ? {} : { archive: isFile ? resolve(named) : named }) };
}
