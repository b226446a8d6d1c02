import { z } from 'zod';
import { bytesOf } from './quantity.ts';

const Quantities = z.looseObject({ memory: z.unknown().optional() }).optional();
const Container = z.looseObject({
  name: z.string(),
  restartPolicy: z.string().optional(),
  resources: z.looseObject({ limits: Quantities, requests: Quantities }).optional(),
  volumeMounts: z.array(z.looseObject({ name: z.string() })).optional(),
});
const PodSpec = z.looseObject({
  containers: z.array(Container),
  initContainers: z.array(Container).optional(),
  nodeSelector: z.record(z.string(), z.string()).nullish(),
  tolerations: z.array(z.looseObject({ key: z.string().optional(), operator: z.string().optional(), effect: z.string().optional() })).optional(),
  volumes: z.array(z.looseObject({ name: z.string(), emptyDir: z.looseObject({ medium: z.string().optional(), sizeLimit: z.unknown().optional() }).nullish() })).optional(),
});
const Manifest = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
  spec: z.looseObject({
    replicas: z.number().optional(), parallelism: z.number().optional(), maxReplicas: z.number().optional(),
    scaleTargetRef: z.looseObject({ kind: z.string(), name: z.string() }).optional(),
  }).optional(),
});

type Container = z.infer<typeof Container>;

/** Keys and list positions from the top of a manifest. */
export type FieldPath = readonly (string | number)[];

/** A mistake in a manifest, before it has a place in a file. */
export type WorkloadFault = { readonly code: string; readonly message: string; readonly hint: string; readonly path: FieldPath };

/** What makes pods, and what one of them may take: its memory limits, in which its volumes in memory are counted. */
export type Workload = {
  /** `Deployment podinfo/podinfo`. */
  readonly name: string;
  /** How many pods; `each` for one on every node. */
  readonly pods: number | 'each';
  readonly bytes: number;
  /** Containers without a memory limit: they count with what they request, or not at all. */
  readonly unlimited: number;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly toleratesControlPlane: boolean;
  /** Where its memory is declared. */
  readonly path: FieldPath;
};

/** Where the kinds that make pods keep their pod's spec. */
const POD_PATHS: Readonly<Record<string, FieldPath>> = {
  Deployment: ['spec', 'template', 'spec'], StatefulSet: ['spec', 'template', 'spec'], DaemonSet: ['spec', 'template', 'spec'],
  ReplicaSet: ['spec', 'template', 'spec'], Job: ['spec', 'template', 'spec'], CronJob: ['spec', 'jobTemplate', 'spec', 'template', 'spec'], Pod: ['spec'],
};

/**
 * What a manifest's pods may take, and what is wrong with their volumes in memory: one without a size may grow to half the
 * node's memory, and a container without a limit takes the node's memory with what is in it. Undefined for a manifest that
 * makes no pods. `autoscaled` gives the most pods that an autoscaler may make of `Kind/name`. Pure.
 */
export function workloadOf(manifest: unknown, autoscaled: (target: string) => number | undefined = () => undefined): { readonly workload: Workload; readonly faults: readonly WorkloadFault[] } | undefined {
  const read = Manifest.safeParse(manifest);
  const path = read.success ? POD_PATHS[read.data.kind] : undefined;
  if (!read.success || !path) return undefined;
  const pod = PodSpec.safeParse(path.reduce((value, key) => (value as Record<string | number, unknown> | undefined)?.[key], manifest));
  if (!pod.success) return undefined;
  const { kind, metadata, spec } = read.data;
  const name = `${kind} ${metadata.namespace ?? 'default'}/${metadata.name}`;
  const { containers, initContainers = [], nodeSelector, tolerations = [] } = pod.data;
  const beside = initContainers.filter((container) => container.restartPolicy === 'Always');
  const running = [...containers, ...beside];
  const bytes = Math.max(sum(running.map(taken)), ...initContainers.filter((container) => !beside.includes(container)).map(taken));
  const pods = kind === 'DaemonSet' ? 'each' : autoscaled(`${kind}/${metadata.namespace ?? 'default'}/${metadata.name}`) ?? spec?.replicas ?? spec?.parallelism ?? 1;
  return {
    workload: {
      name, pods, bytes, path: [...path, 'containers'],
      unlimited: running.filter((container) => limit(container) === undefined).length,
      nodeSelector: nodeSelector ?? {},
      toleratesControlPlane: tolerations.some(({ key, operator, effect }) => (key === undefined ? operator === 'Exists' : key === 'node-role.kubernetes.io/control-plane')
        && (effect === undefined || effect === 'NoSchedule')),
    },
    faults: volumeFaults(name, path, pod.data),
  };
}

/** The most pods an autoscaler may make, by `Kind/namespace/name` of what it scales; undefined for another manifest. */
export function autoscalerOf(manifest: unknown): readonly [string, number] | undefined {
  const read = Manifest.safeParse(manifest);
  const target = read.data?.spec?.scaleTargetRef;
  if (!read.success || read.data.kind !== 'HorizontalPodAutoscaler' || !target || read.data.spec?.maxReplicas === undefined) return undefined;
  return [`${target.kind}/${read.data.metadata.namespace ?? 'default'}/${target.name}`, read.data.spec.maxReplicas];
}

function volumeFaults(name: string, path: FieldPath, pod: z.infer<typeof PodSpec>): WorkloadFault[] {
  const faults: WorkloadFault[] = [];
  const sizes = new Map<string, number | undefined>();
  for (const [index, volume] of (pod.volumes ?? []).entries()) {
    if (volume.emptyDir?.medium !== 'Memory') continue;
    sizes.set(volume.name, bytesOf(volume.emptyDir.sizeLimit));
    if (sizes.get(volume.name) !== undefined) continue;
    faults.push({ code: 'E_MEMORY_VOLUME_SIZE', path: [...path, 'volumes', index], message: `${name}: the volume ${volume.name} in memory has no sizeLimit, so it may take half of its node's memory`,
      hint: 'Give its emptyDir a sizeLimit, like 64Mi.' });
  }
  for (const key of ['initContainers', 'containers'] as const) {
    for (const [index, container] of (pod[key] ?? []).entries()) {
      const mounted = [...new Set((container.volumeMounts ?? []).map((mount) => mount.name))].filter((each) => sizes.has(each));
      if (mounted.length === 0) continue;
      const at = [...path, key, index];
      const most = limit(container);
      const size = sum(mounted.map((each) => sizes.get(each) ?? 0));
      if (most === undefined) {
        faults.push({ code: 'E_MEMORY_VOLUME_LIMIT', path: at, message: `${name}: the container ${container.name} mounts ${mounted.join(', ')} in memory and has no memory limit, so nothing bounds what it takes of its node`,
          hint: 'Set resources.limits.memory: what the program needs, and the volume\'s sizeLimit.' });
      } else if (size >= most) {
        faults.push({ code: 'E_MEMORY_VOLUME_LARGE', path: at, message: `${name}: the container ${container.name} may take ${most} bytes, and its volumes in memory alone ${size}: what is in them counts to its limit, so it is killed before they are full`,
          hint: 'Raise resources.limits.memory above the volumes\' sizeLimit, or make them smaller.' });
      }
    }
  }
  return faults;
}

function limit(container: Container): number | undefined {
  return bytesOf(container.resources?.limits?.memory);
}

function taken(container: Container): number {
  return limit(container) ?? bytesOf(container.resources?.requests?.memory) ?? 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
