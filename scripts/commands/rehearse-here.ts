import { once } from 'node:events';
import { glob } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Facts } from '../../bootstrap/facts.ts';
import { viewStorage } from '../../bootstrap/storage-view.ts';
import type { Patience } from '../../bootstrap/up.ts';
import { mountText, refuseStrangers } from '../../lab/kubernetes/volumes/verdict.ts';
import { refuseCorruption } from '../../lab/nas/verdict.ts';
import { createWorld, type World } from '../../lab/world/world.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { loadCluster } from '../../nodes/load.ts';
import { unlockIdentity } from '../identity.ts';
import type { Whereabouts } from '../namespace.ts';
import type { Session } from '../session.ts';
import { accessText } from '../terminal/access.ts';
import { HELD_OPEN } from '../terminal/several.ts';
import { storagePicture } from '../terminal/storage.ts';
import { summary } from '../terminal/summary.ts';
import { temporaryFolder } from '../terminal/temporary.ts';
import { duration } from '../terminal/view.ts';
import { playedCharts } from './rehearse-charts.ts';
import { layGround, type Ground } from './rehearse-ground.ts';
import { bringUp } from './up.ts';

/** Virtual boards boot in a second; one that is silent for long has a fault. */
const LAB_PATIENCE: Patience = { bootMs: 60_000, joinMs: 3 * 60_000 };

/** The rehearsal itself: the ordinary `up`, in a world that goes when the command ends, however it ends. `options` are those of the command; the tools are there. */
export async function rehearseHere(session: Session, real: Cluster, place: Whereabouts, options: Record<string, unknown>): Promise<number> {
  const { view } = session;
  if (await hasForeignSecrets(real)) await unlockIdentity(session);
  const folder = temporaryFolder('rehearsal');
  let ground: Ground | undefined;
  let world: World | undefined;
  try {
    ground = await layGround(session, real, folder.path, place);
    const { host, plan } = ground;
    view.say(`Rehearsing ${real.name} in the lab, ${ground.words}: nothing real is touched.`);
    world = await createWorld({ host, cluster: real, folder: folder.path, cache: join(host.cache, 'lab'), programs: session.programs, plan });
    Object.assign(session.environment, world.environment);
    session.answer = world.hands;
    const cluster = await loadCluster(world.clusterFolder);
    const { result, facts } = await bringUp(session, host, cluster, LAB_PATIENCE);
    await view.end();
    view.say(summary(cluster, result));
    if (cluster.nas) view.say(`\n${storagePicture(await viewStorage(host, facts))}\n`);
    if (cluster.gitops) for (const line of await playedCharts(host, facts.kubeconfig)) view.say(line);
    for (const mount of world.mounts) view.say(mountText(mount));
    refuseStrangers(world.mounts);
    if (world.nas) refuseCorruption(world.nas);
    if (options['again']) await runAgain(session, ground, world, cluster);
    if (options['keep']) await holdOpen(session, ground, world, facts);
    ground.refuseOutside();
    return 0;
  } catch (error) {
    // What was seen outside is why, however the rest took its end.
    ground?.refuseOutside();
    throw error;
  } finally {
    await view.end();
    await world?.close();
    await ground?.close();
    await folder.remove();
  }
}

/** Whether the repository holds encrypted files that go with the rehearsal: all but those of the cluster's own folder, which are made anew. */
async function hasForeignSecrets(cluster: Cluster): Promise<boolean> {
  const own = `${relative(cluster.repository, cluster.folder)}/`;
  for await (const path of glob('**/*.sops.{yaml,yml,json}', { cwd: cluster.repository, exclude: ['**/node_modules', '**/.git'] })) if (!path.startsWith(own)) return true;
  return false;
}

async function runAgain(session: Session, { host }: Ground, world: World, cluster: Cluster): Promise<void> {
  const before = world.nas?.requests.length;
  const { result } = await bringUp(session, host, cluster, LAB_PATIENCE);
  await session.view.end();
  const acted = result.steps.filter((end) => end.end === 'done').map((end) => end.step.title);
  session.view.say(acted.length === 0
    ? `Again: all ${result.steps.length} steps observed as done, nothing written, in ${duration(result.ms)}.`
    : `Again: had to do ${acted.join(', ')}.`);
  if (!world.nas) return;
  refuseCorruption(world.nas);
  const asked = world.nas.requests.slice(before);
  const writes = asked.filter((request) => request.wrote).map((request) => `${request.api} ${request.method}`);
  session.view.say(writes.length === 0 ? `The NAS was only read: ${asked.length} requests, none of which changed anything.` : `The NAS was written to: ${writes.join(', ')}.`);
}

/** Prints how to look into the cluster and waits for Ctrl+C, which then is the ordinary end. */
async function holdOpen(session: Session, { host, enter }: Ground, world: World, facts: Facts): Promise<void> {
  session.view.say(accessText(facts.cluster, session.programs, {
    KUBECONFIG: facts.kubeconfig, TALOSCONFIG: await facts.talosconfig(host), ...world.etcdSettings(),
    SOPS_AGE_KEY_FILE: world.environment['SOPS_AGE_KEY_FILE'] ?? '',
  }, enter));
  session.view.say(`${HELD_OPEN} Ctrl+C ends it and removes everything.`);
  if (!host.signal.aborted) await once(host.signal, 'abort');
}
