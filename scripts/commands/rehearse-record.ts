import { basename } from 'node:path';
import type { Facts } from '../../bootstrap/facts.ts';
import { RECORD_VERSION, type ClusterPicture, type Given, type Phase, type RecoveryPoint, type RecoveryTime, type RehearsalRecord, type Version, type World } from '../../bootstrap/report/types.ts';
import { differencesOf, idOf, objectRows } from '../../bootstrap/scenarios/compare.ts';
import { hardwareOf } from '../../bootstrap/scenarios/hardware.ts';
import { checksOf, expectedEnd, refusalChecks, verdictOf } from '../../bootstrap/scenarios/judge.ts';
import { isLate } from '../../bootstrap/scenarios/late.ts';
import { assumptionsOf, forecastOf } from '../../bootstrap/scenarios/numbers.ts';
import type { SeenState } from '../../bootstrap/scenarios/state.ts';
import type { Scenario } from '../../bootstrap/scenarios/types.ts';
import { findingText } from '../../lab/kubernetes/volumes/canary.ts';
import type { Mount } from '../../lab/kubernetes/volumes/node-volumes.ts';
import { readLock } from '../../lib/lock-file.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { Session } from '../session.ts';
import { versions } from './backup.ts';
import type { Disaster } from './rehearse-blows.ts';
import type { Opened } from './rehearse-given.ts';
import type { Recovered } from './rehearse-recovery.ts';

/** The course of one rehearsal, as it is judged and reported. Times are milliseconds since 1970 (`since`, `struckAt`) or since it began. */
export type Course = {
  readonly since: number;
  /** The owner's cluster, of whose machines the numbers are. */
  readonly real: Cluster;
  readonly struckAt: number;
  readonly phases: readonly Phase[];
  readonly recovery: Phase;
  readonly cluster: Cluster;
  readonly facts: Facts;
  readonly disaster: Disaster;
  readonly recovered: Recovered;
  readonly before: SeenState;
  readonly after?: SeenState;
  readonly voters: readonly string[];
  readonly mounts: readonly Mount[];
  readonly mounted: readonly string[];
  readonly corruptions: number;
  readonly pictures: RehearsalRecord['pictures'] & { readonly before?: ClusterPicture };
  /** etcd's revision when the backup's state stood there, and when the disaster struck. */
  readonly revisions: { readonly backup: number; readonly disaster: number };
  /** The backup of a fresh cluster. */
  readonly fresh?: { readonly revision: number; readonly at: number; readonly objects: number };
  readonly world: World;
  readonly opened: Opened | undefined;
};

/** Judges a course and makes the record that the report shows. */
export async function judged({ host }: Session, told: Scenario, course: Course): Promise<RehearsalRecord> {
  const scenario = { ...told, budget: { ...told.budget, ...course.cluster.rehearsal?.budgets[told.name] } };
  const { cluster, recovered, before, after, recovery, since } = course;
  const late = new Set(before.objects.filter(isLate).filter(() => scenario.expect.end === 'done' && scenario.expect.objects !== 'same').map(idOf));
  const allowed = scenario.expect.end === 'done' ? scenario.expect.objects === 'what git makes' ? [...scenario.expect.allowed, { why: 'git does not make it, and there was no backup' }] : scenario.expect.allowed : [];
  const differences = after ? differencesOf(before.objects, after.objects, allowed, late) : [];
  const volumes = course.mounts.map(({ claim, finding }) => ({ claim, told: findingText(finding), own: finding.kind === 'read back' })).toReversed();
  const still = course.mounted.filter((claim) => !volumes.some((each) => each.claim === claim)).map((claim) => ({ claim, told: 'mounted all the time, and let go of by nobody', own: true }));
  const ended = recovered.ended;
  const checks = scenario.expect.end === 'failure' ? refusalChecks(scenario, ended) : ended.end === 'failure' ? [] : checksOf(scenario, {
    nodes: cluster.nodes.map(({ name }) => name), controlPlanes: cluster.nodes.filter(({ role }) => role === 'control plane').map(({ name }) => name), before, ...(after ? { after } : {}),
    voters: course.voters, volumes: [...volumes, ...still], mounted: course.mounted, corruptions: course.corruptions, differences,
  });
  const hardware = await hardwareOf(cluster, course.real.folder);
  const steps = recovered.steps.map((step) => ({ ...step, startMs: Math.max(0, step.startMs - recovery.startMs) }));
  const cards = course.recovered.steps.filter(({ id, end }) => /^cards?(:|$)/.test(id) && end === 'done').length > 0 ? course.disaster.killed.length : 0;
  const succeeded = scenario.expect.end === 'done' && ended.end === 'done';
  const forecast = succeeded ? forecastOf(steps, hardware, { cards, boards: course.disaster.killed.length, machines: scenario.disaster.filter((blow) => 'lose' in blow && /nas|git/.test(blow.lose)).length, imageBytes: await imageBytes(course.facts) }, recovery.ms) : [];
  const given = givenOf(course);
  const rto = succeeded ? timeOf(scenario, recovery.ms, forecast.reduce((sum, { realMs }) => sum + realMs, 0)) : undefined;
  const rpo = succeeded ? pointOf(scenario, course) : undefined;
  const at = new Date(since).toISOString();
  return {
    version: RECORD_VERSION, cluster: cluster.name, at, ms: host.clock.now() - since,
    scenario: { name: scenario.name, title: scenario.title, story: scenario.story, file: basename(scenario.file) },
    ...verdictOf(scenario, ended, checks, rto, rpo), expected: expectedEnd(scenario), ended, world: course.world, given, phases: course.phases,
    steps: recovered.steps, forecast, ...(rto ? { rto } : {}), ...(rpo ? { rpo } : {}), pictures: course.pictures,
    objects: after ? objectRows(before.objects, after.objects) : [], differences, checks, lost: recovered.lost,
    assumptions: [...assumptionsOf(hardware), ...(course.opened ? [{ what: 'The backup that the recovery takes', value: 'made of the state that the named backup brought: it knows the host keys of the virtual machines', from: 'the lab' }] : []), { what: 'Data on the volumes', value: 'a canary in the first block of each LUN stands for it', from: 'the lab' }],
    versions: await versionsOf(course), repeat: { command: `firstlight rehearse ${cluster.name} ${scenario.name}`, needs: needsOf(course) },
  };
}

function givenOf({ opened, fresh, since, before }: Course): Given {
  if (!opened) return { from: 'fresh', revision: fresh?.revision ?? 0, objects: fresh?.objects ?? before.objects.length, note: 'no backup was at hand: a cluster that was brought up for this, with some objects, and a backup of it' };
  const { archive, place } = opened;
  const { manifest, sha256, file } = archive;
  return { from: 'archive', name: basename(file), place, sha256, at: manifest.at, ageMs: Math.max(0, since - Date.parse(manifest.at)), revision: manifest.etcd.revision, objects: manifest.etcd.objects.reduce((sum, { count }) => sum + count, 0) };
}

function timeOf({ budget }: Scenario, measuredMs: number, forecastMs: number): RecoveryTime {
  return { measuredMs, forecastMs, met: budget.rtoMs === undefined || forecastMs <= budget.rtoMs, ...(budget.rtoMs === undefined ? {} : { budgetMs: budget.rtoMs }) };
}

/** What a backup can't bring back is what came after it: by the archive's own time, for the disaster could strike now. */
function pointOf({ budget, expect }: Scenario, { opened, fresh, struckAt, revisions }: Course): RecoveryPoint {
  const back = expect.end === 'done' && expect.objects === 'as in the backup';
  const at = opened ? Date.parse(opened.archive.manifest.at) : fresh?.at ?? struckAt;
  const ms = back ? Math.max(0, struckAt - at) : 0;
  return { ms, revisions: back ? Math.max(0, revisions.disaster - revisions.backup) : 0, met: budget.rpoMs === undefined || ms <= budget.rpoMs, ...(budget.rpoMs === undefined ? {} : { budgetMs: budget.rpoMs }) };
}

async function imageBytes({ lockFile }: Facts): Promise<number> {
  const sizes = Object.values((await readLock(lockFile)).images).map(({ rawBytes }) => rawBytes);
  // An image of Talos 1.11 for the Raspberry Pi decodes to so much, where none was pinned.
  return Math.max(1_306_525_696, ...sizes);
}

async function versionsOf({ cluster, opened }: Course): Promise<readonly Version[]> {
  const programs = Object.entries(await versions()).map(([what, version]): Version => ({ what, version }));
  return [
    ...programs, { what: 'Talos', version: cluster.talos.version }, { what: 'Kubernetes', version: cluster.kubernetes.version },
    ...(opened ? [{ what: 'The backup', version: basename(opened.archive.file), sha256: opened.archive.sha256 }] : []),
    ...(opened?.archive.manifest.git ? [{ what: 'The GitOps repository', version: opened.archive.manifest.git.revision }] : []),
  ];
}

function needsOf({ opened }: Course): readonly string[] {
  return opened ? [`The backup ${basename(opened.archive.file)}, and an age identity that opens it.`] : ['Nothing but the cluster’s folder.'];
}

