import { copyFile, mkdir, chmod } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { requireNoRebuild } from '../../bootstrap/rebuild/record.ts';
import { runSteps, type RunResult } from '../../bootstrap/runner.ts';
import { REAL_PATIENCE, upSteps, type Patience } from '../../bootstrap/up.ts';
import type { FluxWay } from '../../gitops/flux-state.ts';
import { problem } from '../../lib/errors.ts';
import { withSignal, type Host } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { openCluster } from '../open-cluster.ts';
import type { Session } from '../session.ts';
import { summary } from '../terminal/summary.ts';
import { provideTools, requireSystemPrograms } from '../provide-tools.ts';

/** Programs that a bring-up runs. */
export const UP_TOOLS = ['talosctl', 'flux', 'kubectl', 'sops'];

/** `firstlight up`: the whole way; exit code 0 when everything is proven. */
export async function upCommand(session: Session, argument: string | undefined, options: Record<string, unknown>): Promise<number> {
  const flux = fluxWay(options);
  const cluster = await openCluster(argument);
  await requireSystemPrograms(session, cluster);
  await provideTools(session, UP_TOOLS);
  const { result, facts } = await bringUp(session, session.host, cluster, REAL_PATIENCE, flux);
  if (typeof options['access'] === 'string') await leaveAccess(session.host, facts, resolve(options['access']));
  await session.view.end();
  session.view.say(summary(cluster, result));
  return 0;
}

/** The bring-up itself, the same for a real cluster and a rehearsed one. */
export async function bringUp(session: Session, host: Host, cluster: Cluster, patience?: Patience, flux?: FluxWay): Promise<{ readonly result: RunResult; readonly facts: Facts }> {
  const time = new Date(host.clock.now()).toISOString().replace(/[:.]/g, '-');
  const journal = session.record(join(cluster.folder, 'runs', time));
  const facts = createFacts(cluster, host.scratch);
  await requireNoRebuild(facts);
  const steps = upSteps(facts, patience, flux);
  session.view.begin(steps);
  try {
    host.emit({ code: 'run.started', message: `up ${cluster.name}` });
    const result = await runSteps(steps, withSignal(host, host.signal));
    host.emit({ code: 'run.done', data: { ms: result.ms } });
    return { result, facts };
  } finally {
    journal.close();
  }
}

/** What `--offline` and `--upgrade-flux` say; they can't be had together. */
function fluxWay(options: Record<string, unknown>): FluxWay {
  if (options['offline'] && options['upgradeFlux']) throw problem('E_USAGE_FLUX', '--upgrade-flux commits to git, and --offline forbids that', 'Give one of the two.');
  return options['offline'] ? 'offline' : options['upgradeFlux'] ? 'upgrade' : 'bootstrap';
}

async function leaveAccess(host: Host, facts: Facts, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [from, name] of [[facts.kubeconfig, 'kubeconfig'], [await facts.talosconfig(host), 'talosconfig']] as const) {
    await copyFile(from, join(folder, name));
    await chmod(join(folder, name), 0o600);
  }
}
