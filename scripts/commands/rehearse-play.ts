import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { RehearsalRecord } from '../../bootstrap/report/types.ts';
import { workAfterBackup } from '../../bootstrap/scenarios/late.ts';
import { revisionOf } from '../../bootstrap/scenarios/revision.ts';
import { seeState, type SeenState } from '../../bootstrap/scenarios/state.ts';
import type { NodeChoice, Scenario } from '../../bootstrap/scenarios/types.ts';
import { createWorld, type World } from '../../lab/world/world.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { loadCluster } from '../../nodes/load.ts';
import type { Whereabouts } from '../namespace.ts';
import type { Session } from '../session.ts';
import { temporaryFolder } from '../terminal/temporary.ts';
import { chosenNodes, strikeAll } from './rehearse-blows.ts';
import { backupFresh, bringState, type Opened } from './rehearse-given.ts';
import { layGround, type Ground } from './rehearse-ground.ts';
import { pictureOf, type Damaged } from './rehearse-pictures.ts';
import { settle } from './rehearse-end.ts';
import { recover } from './rehearse-recovery.ts';
import { judged, type Course } from './rehearse-record.ts';
import { bringUp } from './up.ts';

/** Virtual boards boot in a second, but a busy machine is slow. */
const PATIENCE = { bootMs: 120_000, joinMs: 5 * 60_000 };

/** Plays one scenario in a world of its own, which is gone when this returns. */
export async function play(session: Session, real: Cluster, scenario: Scenario, opened: Opened | undefined, place: Whereabouts): Promise<RehearsalRecord> {
  const declared = opened?.cluster ?? real;
  const folder = temporaryFolder('rehearsal');
  const owner = { ...session.environment };
  let ground: Ground | undefined;
  let world: World | undefined;
  try {
    ground = await layGround(session, declared, folder.path, place);
    session.view.say(`Rehearsing “${scenario.title}” on ${declared.name}, ${ground.words}: nothing real is touched.`);
    world = await createWorld({
      host: ground.host, cluster: declared, folder: folder.path, cache: join(ground.host.cache, 'lab'), programs: session.programs, plan: ground.plan,
      ...(opened ? { state: opened.state } : {}),
    });
    Object.assign(session.environment, world.environment);
    session.answer = world.hands;
    const course = await run(session, ground, world, scenario, opened);
    ground.refuseOutside();
    return await judged(session, scenario, { ...course, real, world: { kind: 'left' in place ? 'namespace' : 'loopback', proof: [`It ran ${ground.words}.`] }, opened });
  } catch (error) {
    ground?.refuseOutside();
    throw error;
  } finally {
    await session.view.end();
    await world?.close();
    await ground?.close();
    await folder.remove();
    for (const key of Object.keys(session.environment)) delete session.environment[key];
    Object.assign(session.environment, owner);
  }
}

async function run(session: Session, { host }: Ground, world: World, scenario: Scenario, opened: Opened | undefined): Promise<Omit<Course, 'world' | 'opened' | 'real'>> {
  const { view } = session;
  const since = host.clock.now();
  const phases: { name: string; kind: 'given' | 'disaster' | 'recovery' | 'judgement'; startMs: number; ms: number }[] = [];
  const phase = async <T>(name: string, kind: typeof phases[number]['kind'], work: () => Promise<T>): Promise<T> => {
    const startMs = host.clock.now() - since;
    try {
      return await work();
    } finally {
      phases.push({ name, kind, startMs, ms: host.clock.now() - since - startMs });
    }
  };
  const key = randomBytes(32);
  const given = await phase(opened ? 'The cluster as it was backed up' : 'A fresh cluster, and its backup', 'given', async () => {
    const cluster = await loadCluster(world.clusterFolder);
    const facts = opened ? await bringState(session, host, cluster, opened, PATIENCE) : (await bringUp(session, host, cluster, PATIENCE)).facts;
    const backup = opened ? undefined : await backupFresh(session, host, facts);
    await view.end();
    const atBackup = backup?.revision ?? await revisionOf(host, facts.kubeconfig);
    if (scenario.work) await workAfterBackup(host, facts.kubeconfig);
    return { cluster, facts, backup, atBackup };
  });
  const { cluster, facts } = given;
  const before = await seeState(host, facts.kubeconfig, key);
  const lived = await revisionOf(host, facts.kubeconfig);
  const mounted = [...new Set(world.mounts.map(({ claim }) => claim))];
  const standing = pictureOf(world, cluster, `${cluster.name} before the disaster`, before, []);
  const chosen = new Map<string, readonly string[]>();
  const nodes = (choice: NodeChoice): readonly string[] => {
    const known = chosen.get(choice) ?? chosenNodes(world, cluster, choice);
    chosen.set(choice, known);
    return known;
  };
  const node = scenario.recovery.node === undefined ? undefined : nodes(scenario.recovery.node)[0];
  const struckAt = host.clock.now();
  const disaster = await phase('The disaster', 'disaster', () => strikeAll(host, world, cluster, facts.kubeconfig, scenario.disaster, nodes));
  for (const line of disaster.told) view.say(`Struck: ${line}.`);
  const during = pictureOf(world, cluster, disaster.told.join('; ') || 'nothing is broken', disaster.killed.includes(nodes('control plane')[0]!) ? undefined : before, disaster.killed, damageOf(scenario));
  const mountsBefore = world.mounts.length;
  const recovered = await phase(`firstlight ${scenario.recovery.command}${node === undefined ? '' : ` ${node}`}`, 'recovery', () => recover(session, host, world, { wish: scenario.recovery, disaster, patience: PATIENCE, since, ...(node === undefined ? {} : { node }) }));
  const recovery = phases.at(-1)!;
  return phase('Judgement', 'judgement', async () => {
    const end = recovered.ended.end === 'done' ? await settle(host, world, key, mounted, mountsBefore) : undefined;
    const seen = end?.seen;
    return {
      since, phases, before, ...(seen ? { after: seen } : {}), voters: end?.voters ?? [], mounts: world.mounts.slice(mountsBefore), mounted,
      corruptions: world.nas?.corruptions().length ?? 0, recovered, recovery, disaster, cluster, struckAt,
      pictures: { before: standing, during, ...(seen ? { after: pictureOf(world, await loadCluster(world.clusterFolder), `${cluster.name} after the recovery`, seen, []) } : {}) },
      revisions: { backup: given.atBackup, disaster: lived }, ...(given.backup ? { fresh: given.backup } : {}), facts,
    };
  });
}

function damageOf({ disaster }: Scenario): Damaged {
  const lost = (what: string): boolean => disaster.some((blow) => 'lose' in blow && blow.lose === what);
  return {
    ...(lost('nas configuration') ? { nas: { state: 'damaged' as const, note: 'no target leads to its LUNs' } } : {}),
    ...(lost('git host') ? { git: { state: 'gone' as const, note: 'another machine, empty' } } : {}),
  };
}
