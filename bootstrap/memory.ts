import { ManyErrors, problem, type FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { builtManifests, placeOf } from '../gitops/manifests.ts';
import type { Cluster, Gitops } from '../nodes/cluster.ts';
import { fitPods, indispensable } from '../storage/memory/fit.ts';
import { readable } from '../storage/memory/quantity.ts';
import { autoscalerOf, workloadOf, type Workload } from '../storage/memory/workloads.ts';

/** What the pods of a repository would take of the nodes' memory, in words, and what stands against it. */
export type MemoryReport = { readonly summary: string; readonly faults: readonly FirstlightError[] };

/** Flux's own controllers: 1 GiB each by their manifests (fluxcd/flux2: manifests/bases), which its bootstrap writes only later. */
const FLUX: Workload[] = ['source-controller', 'kustomize-controller', 'helm-controller'].map((name) => ({
  name: `Deployment flux-system/${name}`, pods: 1, bytes: 2 ** 30, unlimited: 0, nodeSelector: {}, toleratesControlPlane: false, path: [],
}));

/**
 * Adds up the memory limits of all pods that Flux would make from this work tree, volumes in memory included, against what each
 * node's pods may take, and judges every volume in memory. Nothing is asked of a cluster. Throws what `builtManifests` throws.
 */
export async function memoryReport(host: Host, cluster: Cluster, gitops: Gitops, folder: string): Promise<MemoryReport> {
  const built = await builtManifests(host, folder, gitops.path);
  const autoscalers = new Map(built.flatMap(({ object }) => { const found = autoscalerOf(object); return found ? [found] : []; }));
  const faults: FirstlightError[] = [];
  const sources = new Map<Workload, (typeof built)[number]>();
  for (const manifest of built) {
    const found = workloadOf(manifest.object, (target) => autoscalers.get(target));
    if (!found) continue;
    sources.set(found.workload, manifest);
    for (const { code, message, hint, path } of found.faults) faults.push(problem(code, message, hint, { where: await placeOf(folder, manifest, path) }));
  }
  const named = new Set([...sources.keys()].map(({ name }) => name));
  const workloads = [...sources.keys()];
  const flux = FLUX.filter(({ name }) => !named.has(name));
  const { loads, homeless } = fitPods(cluster.nodes, workloads, flux);
  for (const workload of homeless) {
    const source = sources.get(workload);
    const left = loads.map(({ node, taken, budget }) => `${node} ${readable(taken)} of ${readable(budget)}`).join(', ');
    faults.push(problem('E_MEMORY_BUDGET', `${workload.name}: ${count(workload)} of ${readable(workload.bytes)} find no room beside the others (${left})`,
      'Lower memory limits or replicas, or raise `memory` of a node in cluster.yaml if its board has more.', { where: source ? await placeOf(folder, source, workload.path) : {} }));
  }
  const needed = homeless.length > 0 ? [] : indispensable(cluster.nodes, workloads, flux);
  const unlimited = workloads.filter((workload) => workload.unlimited > 0).length;
  const releases = built.filter(({ object }) => object['kind'] === 'HelmRelease').length;
  const fullest = [...loads].sort((a, b) => (b.taken / b.budget) - (a.taken / a.budget))[0]!;
  const summary = [
    `by their limits pods take at most ${readable(fullest.taken)} of ${readable(fullest.budget)} (${fullest.node})`,
    ...(needed.length > 0 ? [`without ${needed.join(' or ')} the others are too small for them`] : []),
    ...(unlimited > 0 ? [`${unlimited} workload${unlimited === 1 ? ' has' : 's have'} containers without a limit`] : []),
    ...(releases > 0 ? [`${releases} Helm release${releases === 1 ? ' is' : 's are'} not counted`] : []),
  ].join('; ');
  return { summary, faults };
}

/** The report's words. Throws its faults: one as it is, several together (`E_MEMORY`). */
export async function requireMemory(host: Host, cluster: Cluster, gitops: Gitops, folder: string): Promise<string> {
  const { summary, faults } = await memoryReport(host, cluster, gitops, folder);
  const [first] = faults;
  if (!first) return summary;
  if (faults.length === 1) throw first;
  throw new ManyErrors('E_MEMORY', `${faults.length} things in the manifests stand against the nodes' memory`, 'Nothing was applied. Mend each, push, and run again.', faults);
}

function count({ pods }: Workload): string {
  return pods === 'each' ? 'a pod on every node' : pods === 1 ? 'a pod' : `${pods} pods`;
}
