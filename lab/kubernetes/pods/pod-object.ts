import type { KubeObject } from '../client.ts';

/** A name that a pod refers to; `optional` ones may be missing. */
export type Reference = { readonly name?: string; readonly optional?: boolean };

/** The parts of a container that are read here. */
export type Container = {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  /** `Always` for an init container that is a sidecar. */
  readonly restartPolicy?: string;
  readonly envFrom?: readonly { readonly secretRef?: Reference; readonly configMapRef?: Reference }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly env?: readonly { readonly name?: string; readonly value?: string; readonly valueFrom?: { readonly secretKeyRef?: Reference; readonly configMapKeyRef?: Reference } }[];
};

/** The parts of a pod's volume that are read here. */
export type PodVolume = {
  readonly name: string;
  readonly secret?: { readonly secretName?: string; readonly optional?: boolean };
  readonly configMap?: Reference;
  readonly projected?: { readonly sources?: readonly { readonly secret?: Reference; readonly configMap?: Reference }[] };
  /** A claim of the pod's own, by its name and the volume's. */
  readonly ephemeral?: object;
  readonly persistentVolumeClaim?: { readonly claimName: string; readonly readOnly?: boolean };
};

/** A condition of a pod. */
export type PodCondition = { readonly type: string; readonly status: string; readonly reason?: string; readonly message?: string; readonly lastTransitionTime?: string };

/** The parts of a Pod that are read here. */
export type Pod = KubeObject & {
  readonly spec: {
    readonly nodeName?: string;
    readonly hostNetwork?: boolean;
    readonly restartPolicy?: string;
    readonly serviceAccountName?: string;
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly PodVolume[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly startTime?: string;
    readonly podIP?: string;
    readonly conditions?: readonly PodCondition[];
    readonly containerStatuses?: readonly { readonly name: string; readonly restartCount?: number; readonly containerID?: string }[];
  };
};

/** `/api/v1/namespaces/<namespace>/pods/<name>` */
export function podPath(pod: Pod): string {
  return `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`;
}
