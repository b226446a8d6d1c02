import { mkdir } from 'node:fs/promises';
import { kubeClient, type KubeObject } from './client.ts';
import { controllerRuns, type Runs } from './controllers.ts';
import { follow, keyOf } from './follow.ts';
import { startHelmController } from './helm-controller.ts';
import { adminPair } from './kubeconfig.ts';
import { startKustomizeController } from './kustomize-controller.ts';
import { pause } from './secure-client.ts';
import { startSourceController } from './source-controller.ts';
import type { WorkloadsOptions } from './types.ts';
import { runningStatus, type Workload } from './workload-status.ts';

/** What makes workloads run, or seem to. */
export type Workloads = {
  /** Ends the processes in an orderly way. */
  stop(): Promise<void>;
  /** Ends them at once, as a power cut. */
  kill(): Promise<void>;
};

/** Where git and ssh are found, unless `env` says otherwise. */
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

const KINDS = ['deployments', 'statefulsets', 'daemonsets'] as const;

/**
 * The virtual kubelet of workloads. Deployments, StatefulSets and DaemonSets get the status of running ones at once (there are no
 * Pods and no ReplicaSets). Three Deployments run for real, as processes of this machine, and are available only while they do:
 * flux-system/kustomize-controller and helm-controller are the real programs, flux-system/source-controller the stand-in of
 * source-controller.ts. Begins as soon as the API server answers.
 */
export async function startWorkloads(options: WorkloadsOptions): Promise<Workloads> {
  const { material, folder } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const client = kubeClient({ url: new URL(material.endpoint).origin, ca: material.kubernetesCa.crt, ...await adminPair(material) });
  const ended = new AbortController();
  const runs = new Map<string, Runs>([
    ['flux-system/kustomize-controller', controllerRuns((args) => startKustomizeController({ ...options, args }))],
    ['flux-system/helm-controller', controllerRuns((args) => startHelmController({ ...options, args }))],
    ['flux-system/source-controller', controllerRuns(() => startSourceController({ client, folder, address: options.address, path: options.env?.['PATH'] ?? DEFAULT_PATH }))],
  ]);
  const settle = async (kind: string, workload: Workload & KubeObject): Promise<void> => {
    const run = kind === 'deployments' ? runs.get(keyOf(workload)) : undefined;
    const ready = run === undefined || await run.ready();
    const status = runningStatus(kind, workload, ready);
    if (status === undefined) return;
    const { name, namespace } = workload.metadata;
    await client.patch(`/apis/apps/v1/namespaces/${namespace}/${kind}/${name}/status`, { status });
  };
  const seen = new Map<string, Workload & KubeObject>();
  const following = KINDS.map((kind) => follow<Workload & KubeObject>(client, `/apis/apps/v1/${kind}`, ended.signal, async ({ changed, removed }) => {
    for (const workload of removed) {
      seen.delete(`${kind}/${keyOf(workload)}`);
      if (kind === 'deployments') await runs.get(keyOf(workload))?.want(undefined);
    }
    for (const workload of changed) {
      seen.set(`${kind}/${keyOf(workload)}`, workload);
      if (kind === 'deployments') await runs.get(keyOf(workload))?.want(argumentsOf(workload));
      await settle(kind, workload);
    }
  }));
  const watchRuns = async (): Promise<void> => {
    while (await pause(250, ended.signal)) {
      for (const key of runs.keys()) {
        const workload = seen.get(`deployments/${key}`);
        if (workload) await settle('deployments', workload).catch(() => {});
      }
    }
  };
  const watching = watchRuns();
  const end = (how: 'stop' | 'kill') => async (): Promise<void> => {
    ended.abort();
    await Promise.all([...runs.values()].map((run) => run.end(how)));
    client.close();
    await Promise.all([...following, watching]);
  };
  return { stop: end('stop'), kill: end('kill') };
}

/** The first container's arguments, or undefined where the Deployment is scaled to nothing. */
function argumentsOf(workload: Workload): readonly string[] | undefined {
  if (workload.spec?.replicas === 0) return undefined;
  return workload.spec?.template?.spec?.containers?.[0]?.args ?? [];
}
