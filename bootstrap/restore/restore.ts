import { FirstlightError, ManyErrors, problem } from '../../lib/errors.ts';
import { withSignal, type Host } from '../../lib/host.ts';
import { updateLock, type RestoreRecord } from '../../lib/lock-file.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { loadCluster } from '../../nodes/load.ts';
import type { Archive } from '../archive/types.ts';
import { createFacts, type Facts } from '../facts.ts';
import { askForSpare, withMac } from '../rebuild/rebuild.ts';
import { planSteps, runSteps, type RunResult, type StepEnd } from '../runner.ts';
import type { Step } from '../step.ts';
import { REAL_PATIENCE, type Patience } from '../up.ts';
import { proveForRestore, reopen, type ArchiveWish } from './archive.ts';
import { keySteps, openHanded } from './key.ts';
import { trustedGitHost } from './git.ts';
import { offerBundle } from './offer-bundle.ts';
import { lookForRestore } from './look.ts';
import { newRecord, restoreUnderWay } from './record.ts';
import { archiveRefusals } from './refusals.ts';
import { restoreOf } from './restore-of.ts';
import { keepForRestore } from './source.ts';
import { restoreSteps } from './steps.ts';
import type { Proven, Refusal, RestoreLook, RestoreVerdict } from './types.ts';
import { judge, sourceOf } from './verdict.ts';

/** What a person asked for: which archive (`ArchiveWish`); `force` overrules what may be overruled, once the cluster's name is typed. */
export type RestoreRequest = ArchiveWish & { readonly force?: boolean };

/** How a restore is run and shown: `looked` hears what was found before anything is done, `begin` the steps before they are walked. */
export type RestoreRun = {
  readonly patience?: Patience;
  readonly looked?: (cluster: Cluster, proven: Proven, look: RestoreLook, verdict: RestoreVerdict) => void;
  readonly begin?: (steps: readonly Step[]) => void;
};

/** What a restore came to. `cluster` is as it is declared now, `macs` the new boards' that were written into cluster.yaml, by node; `verdict` is absent where a run before this one had decided. */
export type Restored = {
  readonly cluster: Cluster; readonly facts: Facts; readonly record: RestoreRecord; readonly archive: Archive; readonly result: RunResult;
  readonly verdict?: RestoreVerdict; readonly macs: Readonly<Record<string, string>>;
};

/**
 * Restores what is lost of a cluster from an archive: proves the archive, looks at everything, refuses or goes on, writes down what can't be
 * seen later, walks the steps. A restore that was cut off goes on. Throws every refusal at once (`E_RESTORE_…`; several as
 * `E_RESTORE_REFUSED`), what proving the archive throws (`E_ARCHIVE_…`, `E_SNAPSHOT_…`), and what `runSteps` throws.
 */
export async function restore(host: Host, declared: Cluster, request: RestoreRequest, run: RestoreRun = {}): Promise<Restored> {
  const facts = createFacts(declared, host.scratch);
  const began = host.clock.now();
  const underWay = await restoreUnderWay(facts);
  const { record, archive, verdict } = underWay ? { record: underWay, archive: await reopen(host, facts, request, underWay), verdict: undefined } : await begin(host, facts, request, run);
  host.emit({ code: 'run.started', message: `restore ${declared.name} from ${record.archive}` });
  const macs: Record<string, string> = {};
  let own = record.parts.includes('git') ? await trustedGitHost(host, facts) : facts;
  const before: StepEnd[] = [];
  if (record.parts.includes('key')) {
    const steps = keySteps(own, record, archive);
    run.begin?.(steps);
    before.push(...(await runSteps(steps, withSignal(host, host.signal))).steps);
    own = createFacts(await loadCluster(declared.folder), host.scratch);
  }
  for (;;) {
    try {
      const { steps } = await walk(host, own, record, archive, run);
      const result = { steps: [...before, ...steps], startedAt: began, ms: host.clock.now() - began };
      host.emit({ code: 'run.done', data: { ms: result.ms } });
      return { cluster: own.cluster, facts: own, record, archive, macs, result, ...(verdict ? { verdict } : {}) };
    } catch (error) {
      for (const spare of sparesOf(error)) {
        const node = spare.where.node!;
        macs[node] = await askForSpare(host, own, node, spare);
        ({ facts: own } = await withMac(host, own, node, macs[node]));
      }
    }
  }
}

/** What a restore would do: what was found, and each step looked at. Changes nothing. Throws as `restore` does before its first act; refusals are in the verdict. */
export async function planRestore(host: Host, declared: Cluster, request: RestoreRequest, run: RestoreRun = {}): Promise<{ readonly verdict?: RestoreVerdict; readonly steps: readonly StepEnd[] }> {
  const facts = createFacts(declared, host.scratch);
  const underWay = await restoreUnderWay(facts);
  if (underWay) return { steps: await plan(host, facts, underWay, await reopen(host, facts, request, underWay), run) };
  const { proven, look, verdict } = await find(host, facts, request, run);
  if (verdict.refusals.some(({ forcible }) => !(forcible && request.force))) return { verdict, steps: [] };
  return { verdict, steps: await plan(host, facts, newRecord(host, proven, look, verdict, { from: 'snapshot', file: proven.name, sha256: '' }), proven.archive, run) };
}

function plan(host: Host, facts: Facts, record: RestoreRecord, archive: Archive, run: RestoreRun): Promise<readonly StepEnd[]> {
  const steps = restoreSteps(restoreOf(facts, record, archive, run.patience ?? REAL_PATIENCE));
  run.begin?.(steps);
  return planSteps(steps, host);
}

/** Proves, looks, asks for leave, and has everything on disk that can't be seen afterwards. */
async function begin(host: Host, facts: Facts, request: RestoreRequest, run: RestoreRun): Promise<{ readonly record: RestoreRecord; readonly archive: Archive; readonly verdict: RestoreVerdict }> {
  const { proven, look, verdict } = await find(host, facts, request, run, true);
  await requireLeave(host, facts.cluster, verdict.refusals, request.force === true);
  if (look.etcd.kind === 'lost') await confirmWipe(host, facts.cluster, look.etcd.holding);
  const recover = look.etcd.kind === 'lost' ? await keepForRestore(host, facts, proven, sourceOf(look.etcd, proven)) : undefined;
  const record = newRecord(host, proven, look, verdict, recover);
  await updateLock(facts.lockFile, { restore: record });
  return { record, archive: proven.archive, verdict };
}

async function find(host: Host, facts: Facts, request: RestoreRequest, run: RestoreRun, offer = false): Promise<{ readonly proven: Proven; readonly look: RestoreLook; readonly verdict: RestoreVerdict }> {
  const proven = await proveForRestore(host, facts, request);
  let atArchive = await archiveRefusals(host, facts, proven);
  if (offer && isWrongBundle(atArchive) && await offerBundle(host, facts, proven)) atArchive = await archiveRefusals(host, facts, proven);
  // With a wrong bundle no machine of this cluster answers: a look would only mislead.
  if (isWrongBundle(atArchive)) throw allOf(atArchive);
  const look = await lookForRestore(host, openHanded(facts), proven);
  const verdict = judge(facts.cluster, look, proven, atArchive);
  run.looked?.(facts.cluster, proven, look, verdict);
  return { proven, look, verdict };
}

function isWrongBundle(refusals: readonly Refusal[]): boolean {
  return refusals.some(({ error }) => error.code === 'E_RESTORE_BUNDLE');
}

async function walk(host: Host, facts: Facts, record: RestoreRecord, archive: Archive, { patience, begin: show }: RestoreRun): Promise<RunResult> {
  const steps = restoreSteps(restoreOf(facts, record, archive, patience ?? REAL_PATIENCE));
  show?.(steps);
  return runSteps(steps, withSignal(host, host.signal));
}

/** Throws the refusals, unless each may be overruled, is to be, and the person types the cluster's name. */
async function requireLeave(host: Host, { name }: Cluster, refusals: readonly Refusal[], force: boolean): Promise<void> {
  if (refusals.length === 0) return;
  const reasons = refusals.map(({ error }) => error.message).join('; ');
  if (!force || refusals.some(({ forcible }) => !forcible)) throw allOf(refusals);
  const answer = await host.ask({ code: 'restore.force', text: `${reasons}. Type ${name} to restore it all the same:` });
  if (answer.trim() !== name) throw problem('E_RESTORE_KEPT', `${name} was left as it is: its name was not typed (${reasons})`, 'Nothing was touched.');
}

function allOf(refusals: readonly Refusal[]): FirstlightError {
  const errors = refusals.map(({ error }) => error);
  return errors.length === 1 ? errors[0]! : new ManyErrors('E_RESTORE_REFUSED', `${errors.length} things forbid this restore`, 'Mend each of them and run again. Nothing was touched.', errors);
}

async function confirmWipe(host: Host, { name }: Cluster, holding: readonly string[]): Promise<void> {
  if (holding.length === 0) return;
  const answer = await host.ask({ code: 'restore.wipe', text: `The quorum of etcd is lost for good only if the other control planes don't come back. What ${holding.join(', ')} still ${holding.length > 1 ? 'have' : 'has'} of it is wiped. Type ${name} to go on:` });
  if (answer.trim() !== name) throw problem('E_RESTORE_KEPT', `${name} was left as it is: its name was not typed`, 'Nothing was touched. Where a control plane can be brought back, do that instead: the quorum comes back by itself.');
}

/** The new boards with MACs that nobody declared, where that is all that a run failed of. Throws the error where it is not. */
function sparesOf(error: unknown): readonly FirstlightError[] {
  const errors = error instanceof ManyErrors ? error.problems : error instanceof FirstlightError ? [error] : [];
  if (errors.length > 0 && errors.every(({ code, where }) => code === 'E_IDENTITY_SPARE' && where.node !== undefined)) return errors;
  throw error;
}
