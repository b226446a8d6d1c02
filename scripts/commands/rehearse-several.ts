import { once } from 'node:events';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { FirstlightError, ManyErrors, problem } from '../../lib/errors.ts';
import type { RunEvent } from '../../lib/host.ts';
import { createSlots } from '../../lib/tools/slots.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { findCluster, findClusters } from '../../nodes/find.ts';
import { loadCluster } from '../../nodes/load.ts';
import { BUNDLED, HOME } from '../open-cluster.ts';
import { provideTools, requireSystemPrograms } from '../provide-tools.ts';
import type { Session } from '../session.ts';
import { beginCourse, HELD_OPEN, severalText, type Course } from '../terminal/several.ts';

/** Worlds that come up at once, unless told: more only wait for one another's processors. */
const WIDTH = availableParallelism() >= 4 ? 3 : 2;

/** Memory of a world in MiB (measured): firstlight and Flux's controllers, and etcd with a Kubernetes control plane for each of its control planes. */
const WORLD_MIB = 500;
const CONTROL_PLANE_MIB = 700;

/** A child's deadline: an hour for a rehearsal, ten days for one that is held open. */
const HOUR = 3_600_000;

/**
 * `firstlight rehearse A B C` and `--every`: each cluster by the ordinary command, in a process and a world of its own; one list of
 * them all and one summary. Exit code 1 when one fails; the others go on. Throws `E_USAGE_REHEARSE`, `E_CLUSTER_…`, `E_INVENTORY`
 * with the mistakes of all files before anything is begun, `E_ABORTED`.
 */
export async function rehearseSeveral(session: Session, names: readonly string[], options: Record<string, unknown>): Promise<number> {
  const { host, view } = session;
  const clusters = await openClusters(names, options['every'] === true);
  const width = options['atOnce'] === undefined ? Math.min(WIDTH, clusters.length) : widthOf(options['atOnce']);
  for (const cluster of clusters) await requireSystemPrograms(session, cluster);
  await provideTools(session);
  const labels = clusters.map((each) => (clusters.some((other) => other !== each && other.name === each.name) ? each.folder : each.name));
  view.say(`Rehearsing ${labels.join(', ')} side by side, ${width} at once, each in a world of its own: nothing real is touched.`);
  const show = (event: RunEvent): void => { if (!options['json']) view.handle(event); };
  const courses = clusters.map((cluster, index) => beginCourse(cluster, labels[index]!, show, (event) => { if (options['json']) view.handle(event); }));
  if (!options['json']) view.begin(courses.map(({ id, label }) => ({ id, title: label, needs: [] })));
  const slots = createSlots(width, totalmem() / 1024 ** 2 * 0.8);
  const flags = ['--json', ...['keep', 'again', 'loopback'].flatMap((name) => (options[name] ? [`--${name}`] : []))];
  const ended: Promise<void>[] = [];
  await Promise.all(courses.map((course) => slots(memoryOf(course.cluster), async () => {
    if (host.signal.aborted) return;
    const end = rehearseOne(session, course, flags);
    ended.push(end);
    // A world that is held open needs no turn any more.
    await Promise.race([end, course.held]);
  })));
  await view.end();
  if (host.signal.aborted) {
    await Promise.all(ended);
    throw problem('E_ABORTED', 'the rehearsals were stopped', 'Every world is gone. Run the same command again.');
  }
  view.say(severalText(courses));
  if (options['json']) view.handle({ code: 'rehearsed', data: { clusters: courses.map(({ label, result }) => ({ cluster: label, ...result() })) } });
  if (options['keep'] && courses.some((course) => course.result().ok)) {
    view.say(`${HELD_OPEN} Ctrl+C ends every world and removes everything.`);
    if (!host.signal.aborted) await once(host.signal, 'abort');
  }
  await Promise.all(ended);
  return courses.every((course) => course.result().ok) ? 0 : 1;
}

/** One cluster's rehearsal in its process, until that has ended; a failure is in the course, and no error here. */
async function rehearseOne({ host }: Session, course: Course, flags: readonly string[]): Promise<void> {
  const started = host.clock.now();
  course.started(started);
  try {
    const { exitCode, stderr } = await host.run({
      program: process.execPath, args: [join(HOME, 'scripts', 'cli.ts'), 'rehearse', course.cluster.folder, ...flags], accept: 'any',
      timeoutMs: flags.includes('--keep') ? 240 * HOUR : HOUR, graceMs: 20_000, onStdoutLine: (line) => course.take(line, host.clock.now()),
    });
    course.ended(exitCode, stderr, host.clock.now());
  } catch (error) {
    course.ended(1, error instanceof Error ? error.message : String(error), host.clock.now());
  }
}

async function openClusters(names: readonly string[], every: boolean): Promise<Cluster[]> {
  if (every && names.length > 0) throw problem('E_USAGE_REHEARSE', '--every takes every cluster of the repository, and some are named too', 'Name them, or say --every.');
  const files = every ? await findClusters(process.cwd(), BUNDLED) : await Promise.all(names.map((name) => findCluster(name, process.cwd(), BUNDLED)));
  const opened = await Promise.all([...new Set(files)].map((file) => loadCluster(file).catch((error: unknown) => {
    if (error instanceof FirstlightError) return error;
    throw error;
  })));
  const faults = opened.flatMap((each) => (each instanceof FirstlightError ? [each] : []));
  if (faults.length > 1) throw new ManyErrors('E_INVENTORY', `${faults.length} of ${opened.length} clusters have mistakes`, 'Correct the files and run the same command again.', faults);
  if (faults[0]) throw faults[0];
  return opened.flatMap((each) => (each instanceof FirstlightError ? [] : [each]));
}

function widthOf(said: unknown): number {
  if (typeof said === 'string' && /^[1-9]\d?$/.test(said)) return Number(said);
  throw problem('E_USAGE_REHEARSE', `--at-once ${String(said)} is no number of worlds`, 'Say how many rehearsals may run at once, like --at-once 2.');
}

function memoryOf(cluster: Cluster): number {
  return WORLD_MIB + CONTROL_PLANE_MIB * cluster.nodes.filter((node) => node.role === 'control plane').length;
}
