import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FirstlightError } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { withScratchEtcd } from '../../talos/scratch-etcd.ts';
import { countObjects, type ObjectCount } from '../../talos/snapshot-contents.ts';
import { etcdSnapshot } from '../../talos/talosctl-recover.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import { viewStorage } from '../storage-view.ts';
import { runningPods, type Before } from './before.ts';
import { readBefore } from './keep.ts';

/** Kinds that Kubernetes makes and forgets by itself, and Nodes, which are looked at one by one: their number says nothing of what was lost. */
const PASSING = new Set(['nodes', 'events', 'leases', 'pods', 'endpoints', 'endpointslices', 'replicasets', 'controllerrevisions', 'volumeattachments', 'csinodes', 'certificatesigningrequests', 'ipaddresses', 'flowschemas', 'prioritylevelconfigurations', 'jobs', 'apiservices.apiregistration.k8s.io']);

/**
 * What did not come back, exactly, as far as anything still tells of it: objects by kind and namespace against the list of before (the
 * snapshot's, the newest backup's); where there is none, what the workers ran and nobody runs now; LUNs that no volume names. Each a
 * sentence. Counts are read from a snapshot of the new etcd. Only reads. Throws `E_TALOS_…`, `E_SNAPSHOT_…`, `E_DSM_…`.
 */
export async function lossesOf(host: Host, facts: Facts, node: ClusterNode): Promise<readonly string[]> {
  const before = await readBefore(facts.cluster, node.name);
  const [objects, luns] = [before?.known ? await countsNow(host, facts, node) : [], await unclaimedLuns(host, facts)];
  const known = before?.known ? missingObjects(before.known.objects, objects).map((line) => `${line} (of ${before.known!.of})`) : [];
  const later = before?.revision !== undefined && before.known?.at ? [`what was changed in Kubernetes after ${before.known.at}, when the snapshot was taken`] : [];
  const ran = before && !before.known ? missingWorkloads(before.running, await runningPods(host, facts)) : [];
  return [...later, ...known, ...ran, ...luns];
}

const NOTHING = 'nothing that anything still tells of';

/** The sentences in the detail of the losses step, for a summary. */
export function lossesTold(detail: string): readonly string[] {
  return detail === NOTHING ? [] : detail.split('; ');
}

/** The losses as the last look of a run: its detail says them, and each is told (`recovery.lost`). It never holds a run up. */
export function lossesStep(facts: Facts, node: ClusterNode, needs: readonly string[]): Step {
  return {
    id: 'losses', part: 'Recovery', title: 'What did not come back', needs,
    async observe(host) {
      try {
        const lost = await lossesOf(host, facts, node);
        for (const line of lost) host.emit({ code: 'recovery.lost', message: line });
        return { state: 'done', detail: lost.length === 0 ? NOTHING : lost.join('; ') };
      } catch (error) {
        host.signal.throwIfAborted();
        if (!(error instanceof FirstlightError)) throw error;
        return { state: 'done', detail: `it can't be told: ${error.message}` };
      }
    },
    act: async () => {},
  };
}

/** Objects by kind and namespace that are fewer now, as sentences; kinds that come and go by themselves are left out. */
export function missingObjects(before: readonly ObjectCount[], now: readonly ObjectCount[]): readonly string[] {
  const counts = new Map(now.map(({ kind, namespace, count }) => [`${kind} ${namespace}`, count]));
  return before.flatMap(({ kind, namespace, count }) => {
    const left = counts.get(`${kind} ${namespace}`) ?? 0;
    if (PASSING.has(kind) || left >= count) return [];
    return [`${count - left} of ${count} ${kind}${namespace === '' ? '' : ` in ${namespace}`}`];
  });
}

/** What ran on the workers and does not now, by what made the pods: `apps/wiki`, one sentence each. */
export function missingWorkloads(before: Before['running'], now: Before['running']): readonly string[] {
  const names = (pods: Before['running']): Set<string> => new Set(Object.values(pods).flat().map(workload));
  const [was, is] = [names(before), names(now)];
  return [...was].filter((name) => !is.has(name)).toSorted().map((name) => `${name} ran before, and git does not make it`);
}

/** A pod's name without what a ReplicaSet (`-7b5d854d47-lhpht`), DaemonSet or Job (`-68xcs`) or StatefulSet (`-0`) put behind it. */
function workload(pod: string): string {
  return pod.replace(/-[0-9a-f]{6,10}-[0-9a-z]{5}$/, '').replace(/-([bcdfghjklmnpqrstvwxz2456789]{5}|\d+)$/, '');
}

async function countsNow(host: Host, facts: Facts, node: ClusterNode): Promise<readonly ObjectCount[]> {
  const file = join(host.scratch, 'after.snapshot');
  try {
    await etcdSnapshot(host, await facts.access(host, node), file);
    return await withScratchEtcd(host, file, { skipHash: false }, async (etcd) => countObjects(await etcd.keys('/registry/')));
  } finally {
    await rm(file, { force: true });
  }
}

async function unclaimedLuns(host: Host, facts: Facts): Promise<readonly string[]> {
  if (!facts.cluster.nas) return [];
  const { luns, kubernetes } = await viewStorage(host, facts);
  if (kubernetes !== undefined) return [];
  return luns.filter((lun) => lun.volumes.length === 0 && lun.declaredAs === undefined)
    .map((lun) => `the LUN ${lun.name} (${(lun.bytes / 1024 ** 3).toFixed(0)} GiB) is on the NAS, and no volume of the cluster names it`);
}
