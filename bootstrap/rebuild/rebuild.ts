import { join } from 'node:path';
import { FirstlightError, problem } from '../../lib/errors.ts';
import { withSignal, type Host } from '../../lib/host.ts';
import type { RebuildRecord, RecoverySource } from '../../lib/lock-file.ts';
import type { Cluster, ClusterNode } from '../../nodes/cluster.ts';
import { setNode } from '../../nodes/edit.ts';
import { createLookout, spareOf } from '../boards.ts';
import { createFacts, type Facts, type Vouch } from '../facts.ts';
import { chooseSource, type SourceWish } from '../recovery/source.ts';
import { planSteps, runSteps, type RunResult, type StepEnd } from '../runner.ts';
import type { Step } from '../step.ts';
import { settled } from './settled.ts';
import type { Patience } from '../up.ts';
import { conclude } from './diagnose-conclude.ts';
import { diagnose } from './diagnose.ts';
import type { Conclusion, Diagnosis } from './diagnosis.ts';
import { watchEndpoint, type EndpointTold } from './endpoint.ts';
import { rebuildSteps } from './plan.ts';
import { beginRecord, recordUnderWay, resumeRecord } from './record.ts';

/** What a person asked for. `mac` is that of the new board, where it is known; `keepCard` takes the unused card in the reader as it is; `snapshot` is the file from which an only control plane's etcd comes back; `force` overrules what may be overruled. */
export type RebuildRequest = { readonly node: string; readonly force?: boolean; readonly mac?: string; readonly keepCard?: boolean; readonly snapshot?: string };

/** How a rebuild is run and shown: `diagnosed` hears what was found before anything is done, `begin` the steps before they are walked; `candidates` are the backups at hand, newest first. */
export type RebuildRun = {
  readonly patience?: Patience;
  readonly diagnosed?: (diagnosis: Diagnosis, conclusion: Conclusion) => void;
  readonly begin?: (steps: readonly Step[]) => void;
  readonly candidates?: SourceWish['candidates'];
};

/** What a rebuild came to. `vouch` says who vouched that the old board was off, `endpoint` how the Kubernetes API answered meanwhile, `cluster` is as it is declared now; `mac` the one that was written into cluster.yaml; `source` where the etcd of an only control plane came from. */
export type Rebuilt = {
  readonly cluster: Cluster; readonly facts: Facts; readonly record: RebuildRecord; readonly conclusion: Conclusion;
  readonly result: RunResult; readonly vouch?: Vouch; readonly endpoint: EndpointTold; readonly mac?: string; readonly source?: string;
};

/**
 * Rebuilds one node: looks, refuses or goes on, writes down what can't be seen later, walks the steps. A rebuild of this node that was
 * cut off goes on. Throws `E_REBUILD_OTHER` and what the diagnosis refuses with (`E_REBUILD_…`), `E_REBUILD_KEPT` where a well node's
 * name was not typed, what `chooseSource` and `runSteps` throw.
 */
export async function rebuild(host: Host, declared: Cluster, request: RebuildRequest, run: RebuildRun = {}): Promise<Rebuilt> {
  const { facts, diagnosis, conclusion, underWay } = await look(host, declared, request, run);
  await requireLeave(host, conclusion, request, underWay);
  let { cluster } = facts;
  let own = facts;
  let taken: string | undefined;
  const take = async (mac: string): Promise<void> => {
    taken = mac;
    ({ cluster, facts: own } = await withMac(host, own, request.node, mac));
  };
  const node = nodeOf(cluster, request.node);
  const chosen = underWay === undefined && conclusion.way === 'only' ? await chooseSource(host, own, node, wishOf(request, run)) : undefined;
  if (request.mac !== undefined && request.mac.toLowerCase() !== node.mac) await take(request.mac.toLowerCase());
  let record = underWay ? await resumeRecord(host, own, nodeOf(cluster, request.node), underWay)
    : await beginRecord(host, own, { ...diagnosis, node: nodeOf(cluster, request.node) }, { ...conclusion, ...request, ...(chosen ? { recover: chosen.source } : {}) });
  const watch = watchEndpoint(host, own.kubeconfig);
  const began = host.clock.now();
  try {
    host.emit({ code: 'run.started', node: record.node, message: `rebuild ${cluster.name} ${record.node}` });
    for (;;) {
      try {
        const result = await walk(host, own, record, run);
        const [endpoint, vouch] = [await watch.end(), own.fences.get(record.node) ?? facts.fences.get(record.node)];
        host.emit({ code: 'run.done', node: record.node, data: { ms: host.clock.now() - began, endpoint } });
        return { cluster, facts: own, record, conclusion, endpoint, result: { ...result, startedAt: began, ms: host.clock.now() - began }, ...(vouch === undefined ? {} : { vouch }), ...(taken === undefined ? {} : { mac: taken }), ...(chosen ? { source: chosen.told } : {}) };
      } catch (error) {
        if (!(error instanceof FirstlightError && error.code === 'E_IDENTITY_SPARE')) throw error;
        await take(await askForSpare(host, own, request.node, error));
        record = await recordUnderWay(own, nodeOf(cluster, request.node)) ?? record;
      }
    }
  } finally {
    await watch.end();
  }
}

/** What a rebuild would do: the diagnosis, and each step looked at. Changes nothing. Throws as `rebuild` does before its first act; a refusal of the diagnosis is in the conclusion. */
export async function planRebuild(host: Host, declared: Cluster, request: RebuildRequest, run: RebuildRun = {}): Promise<{ readonly diagnosis: Diagnosis; readonly conclusion: Conclusion; readonly steps: readonly StepEnd[] }> {
  const { facts, diagnosis, conclusion, underWay } = await look(host, declared, request, run);
  if (conclusion.refuse && !(request.force && conclusion.refuse.forcible)) return { diagnosis, conclusion, steps: [] };
  const recover = conclusion.way === 'only' ? await wouldRecover(host, request, run) : undefined;
  const record = underWay ?? await beginRecord(host, facts, diagnosis, { ...conclusion, ...request, ...(recover ? { recover } : {}) }, false);
  const steps = rebuildSteps(facts, record, run.patience);
  run.begin?.(steps);
  return { diagnosis, conclusion, steps: await planSteps(steps, host) };
}

type Looked = { readonly facts: Facts; readonly diagnosis: Diagnosis; readonly conclusion: Conclusion; readonly underWay: RebuildRecord | undefined };

function wishOf({ snapshot }: RebuildRequest, { candidates }: RebuildRun): SourceWish {
  return { candidates: candidates ?? (async () => []), ...(snapshot === undefined ? {} : { snapshot }) };
}

/** The source as far as a plan can tell: the file that was named or the newest backup, neither proven yet. */
async function wouldRecover(host: Host, request: RebuildRequest, run: RebuildRun): Promise<RecoverySource> {
  const file = request.snapshot ?? (await run.candidates?.(host))?.[0]?.name;
  return file === undefined ? { from: 'nothing' } : { from: 'snapshot', file, sha256: '' };
}

async function look(host: Host, cluster: Cluster, request: RebuildRequest, { diagnosed, candidates }: RebuildRun): Promise<Looked> {
  const facts = createFacts(cluster, host.scratch);
  const node = nodeOf(cluster, request.node);
  const underWay = await recordUnderWay(facts, node);
  const { diagnosis, conclusion } = await settled(host, async () => {
    const seen = await diagnose(host, facts, node, async (own) => (await candidates?.(own) ?? []).map(({ name, at }) => ({ file: name, at })));
    return { diagnosis: seen, conclusion: conclude(seen) };
  });
  diagnosed?.(diagnosis, conclusion);
  return { facts, diagnosis, conclusion, underWay };
}

async function walk(host: Host, facts: Facts, record: RebuildRecord, { patience, begin }: RebuildRun): Promise<RunResult> {
  const steps = rebuildSteps(facts, record, patience);
  begin?.(steps);
  return runSteps(steps, withSignal(host, host.signal));
}

/** Throws what the diagnosis refuses with, unless it may be overruled, is to be, and the person types the node's name. */
async function requireLeave(host: Host, { refuse }: Conclusion, { node, force }: RebuildRequest, underWay: RebuildRecord | undefined): Promise<void> {
  if (!refuse) return;
  const where = { where: { node } };
  if (!refuse.forcible || !force || underWay) throw problem(refuse.code, refuse.reason, refuse.hint, where);
  const answer = await host.ask({ code: 'rebuild.force', text: `${refuse.reason}. Type ${node} to rebuild it all the same:` });
  if (answer !== node) throw problem('E_REBUILD_KEPT', `${node} was left as it is: its name was not typed`, refuse.hint, where);
}

/** The inventory with the new board's MAC, edited in place, and new facts of it; who vouched for the fence stays known. */
export async function withMac(host: Host, facts: Facts, name: string, mac: string): Promise<{ readonly cluster: Cluster; readonly facts: Facts }> {
  const { folder } = facts.cluster;
  const cluster = await setNode(join(folder, 'cluster.yaml'), name, { mac });
  host.emit({ code: 'rebuild.mac', node: name, message: `cluster.yaml: ${name} has the MAC ${mac} now` });
  const own = createFacts(cluster, host.scratch);
  for (const [node, vouch] of facts.fences) own.fences.set(node, vouch);
  return { cluster, facts: own };
}

/** The MAC of the board that booted this rebuild's card and that nobody declared, once a person says that it is the spare. Throws the error where not. */
export async function askForSpare(host: Host, facts: Facts, name: string, error: FirstlightError): Promise<string> {
  const node = nodeOf(facts.cluster, name);
  const spare = spareOf(facts, node, await createLookout(facts)(host));
  const mac = spare?.macs[0];
  if (!spare || mac === undefined) throw error;
  const answer = await host.ask({ code: 'rebuild.spare', text: `The new card of ${name} runs in a board with the MAC ${mac} (at ${spare.address}); cluster.yaml says ${node.mac}. Is that its new board? Its MAC is then written into cluster.yaml. (yes/no)` });
  if (/^(y|yes)$/i.test(answer.trim())) return mac;
  throw error;
}

function nodeOf(cluster: Cluster, name: string): ClusterNode {
  return cluster.nodes.find((node) => node.name === name)!;
}
