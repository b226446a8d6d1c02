import { join, resolve } from 'node:path';
import { createFacts } from '../../bootstrap/facts.ts';
import type { Conclusion, Diagnosis } from '../../bootstrap/rebuild/diagnosis.ts';
import { backupCandidates } from '../../bootstrap/recovery/candidates.ts';
import { giveUpRebuild, leftOf } from '../../bootstrap/rebuild/give-up.ts';
import { planRebuild, rebuild, type RebuildRequest, type RebuildRun } from '../../bootstrap/rebuild/rebuild.ts';
import { problem } from '../../lib/errors.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { ownIdentities } from '../identity.ts';
import { clusterAndNames, namedNodes } from '../named-nodes.ts';
import { provideTools, requireSystemPrograms } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { diagnosisData, diagnosisText } from '../terminal/diagnosis.ts';
import { planText, rebuildData, rebuildSummary, stepData } from '../terminal/rebuild.ts';
import { UP_TOOLS } from './up.ts';

const USAGE = { command: 'firstlight rebuild CLUSTER NODE', purpose: 'the node that is to be rebuilt' };

/** `firstlight rebuild [cluster] NODE`: looks at a dead node, says what it found, and rebuilds it; exit code 0 when it is back, 2 where `--dry-run` found something to do. */
export async function rebuildCommand(session: Session, _argument: string | undefined, options: Record<string, unknown>, words: readonly string[]): Promise<number> {
  const { cluster, names } = await clusterAndNames(words, USAGE);
  if (options['giveUp'] && names.length === 1) return giveUp(session, cluster, names[0]!);
  const [node, another] = namedNodes(cluster, names, USAGE);
  if (another) throw problem('E_USAGE_NODES', `${names.length} nodes were named: one is rebuilt at a time`, 'Rebuild one, and when it is back the next.');
  const request = requestOf(node!.name, options);
  await requireSystemPrograms(session, cluster);
  const only = node!.role === 'control plane' && isOnly(cluster);
  await provideTools(session, only ? [...UP_TOOLS, 'etcd'] : UP_TOOLS);
  const run: RebuildRun = { ...shownBy(session, options), ...(only ? await backupsOf(session, cluster) : {}) };
  if (options['dryRun']) return dryRun(session, cluster, request, run, options);
  const { host, view } = session;
  const journal = session.record(join(cluster.folder, 'runs', new Date(host.clock.now()).toISOString().replace(/[:.]/g, '-')));
  try {
    const done = await rebuild(host, cluster, request, run);
    await view.end();
    if (options['json']) process.stdout.write(`${host.mask.hide(JSON.stringify(rebuildData(done)))}\n`);
    else view.say(rebuildSummary(done));
    return 0;
  } finally {
    journal.close();
  }
}

/** Needs no tools, and the node need not be declared any more. */
async function giveUp({ host, view }: Session, cluster: Cluster, node: string): Promise<number> {
  const record = await giveUpRebuild(host, createFacts(cluster, host.scratch), node);
  await view.end();
  view.say([`The rebuild of ${node} is given up.`, ...leftOf(record), 'Commit firstlight.lock.yaml.'].join('\n'));
  return 0;
}

/** Whether there is one control plane: snapshots are then proven by a real etcd. */
function isOnly({ nodes }: Cluster): boolean {
  return nodes.filter((node) => node.role === 'control plane').length === 1;
}

/** The cluster's backups, which an only control plane's etcd comes back from. */
async function backupsOf(session: Session, cluster: Cluster): Promise<Pick<RebuildRun, 'candidates'>> {
  const identities = await ownIdentities(session);
  return { candidates: (host) => backupCandidates(host, createFacts(cluster, host.scratch), identities) };
}

function shownBy({ host, view }: Session, options: Record<string, unknown>): RebuildRun {
  return {
    begin: (steps) => view.begin(steps),
    diagnosed: (diagnosis: Diagnosis, conclusion: Conclusion) => {
      if (options['json']) process.stdout.write(`${host.mask.hide(JSON.stringify({ code: 'rebuild.diagnosis', ...diagnosisData(diagnosis, conclusion) }))}\n`);
      else view.say(`${diagnosisText(diagnosis, conclusion)}\n`);
    },
  };
}

async function dryRun(session: Session, cluster: Cluster, request: RebuildRequest, run: RebuildRun, options: Record<string, unknown>): Promise<number> {
  const { conclusion, steps } = await planRebuild(session.host, cluster, request, run);
  await session.view.end();
  if (options['json']) process.stdout.write(`${JSON.stringify({ code: 'rebuild.plan', refuse: conclusion.refuse, steps: steps.map(stepData) })}\n`);
  else if (steps.length > 0) session.view.say(`\nWhat a rebuild would do, step by step:\n${planText(steps)}`);
  if (steps.length === 0 && conclusion.refuse) throw problem(conclusion.refuse.code, conclusion.refuse.reason, conclusion.refuse.hint, { where: { node: request.node } });
  return steps.some((end) => end.end === 'would') ? 2 : 0;
}

function requestOf(node: string, options: Record<string, unknown>): RebuildRequest {
  const { mac, snapshot } = options;
  if (typeof mac === 'string' && !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) throw problem('E_USAGE_MAC', `“${mac}” is no MAC address`, 'Write it as on the board’s label, with colons: dc:a6:32:01:02:03.');
  return { node, force: options['force'] === true, keepCard: options['keepCard'] === true, ...(typeof mac === 'string' ? { mac: mac.toLowerCase() } : {}), ...(typeof snapshot === 'string' ? { snapshot: resolve(snapshot) } : {}) };
}
