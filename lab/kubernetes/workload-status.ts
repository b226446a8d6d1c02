type Condition = { readonly type: string; readonly status: string; readonly reason?: string; readonly lastTransitionTime?: string };

/** The parts of a Deployment, StatefulSet or DaemonSet that are read here. */
export type Workload = {
  readonly metadata: { readonly name: string; readonly generation?: number };
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: { readonly spec?: { readonly containers?: readonly { readonly args?: readonly string[] }[] } };
  };
  readonly status?: { readonly observedGeneration?: number; readonly conditions?: readonly Condition[]; readonly [key: string]: unknown };
};

/** The status of a workload whose replicas all run (or none does), or undefined where it is already so. A DaemonSet counts one node. */
export function runningStatus(kind: string, workload: Workload, ready: boolean): object | undefined {
  const replicas = kind === 'daemonsets' ? 1 : workload.spec?.replicas ?? 1;
  const up = ready ? replicas : 0;
  const counts = countsOf(kind, workload.metadata.name, replicas, up);
  const conditions = kind === 'deployments' ? deploymentConditions(workload, up >= replicas) : [];
  const wanted = { observedGeneration: workload.metadata.generation ?? 1, ...counts };
  const same = Object.entries(wanted).every(([name, value]) => (workload.status?.[name] ?? 0) === value)
    && conditions.every((condition) => workload.status?.conditions?.some((now) => sameCondition(now, condition)));
  return same ? undefined : { ...wanted, ...(kind === 'deployments' ? { conditions } : {}) };
}

function countsOf(kind: string, name: string, replicas: number, up: number): Record<string, number | string> {
  if (kind === 'daemonsets') {
    return { currentNumberScheduled: replicas, desiredNumberScheduled: replicas, numberAvailable: up, numberReady: up, updatedNumberScheduled: replicas, numberMisscheduled: 0 };
  }
  if (kind === 'statefulsets') {
    const revision = `${name}-1`;
    return { replicas, readyReplicas: up, availableReplicas: up, currentReplicas: replicas, updatedReplicas: replicas, currentRevision: revision, updateRevision: revision };
  }
  return { replicas, readyReplicas: up, availableReplicas: up, updatedReplicas: replicas, unavailableReplicas: replicas - up };
}

function deploymentConditions(workload: Workload, available: boolean): Condition[] {
  const now = new Date().toISOString();
  const name = workload.metadata.name;
  const wanted = [
    available
      ? { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' }
      : { type: 'Available', status: 'False', reason: 'MinimumReplicasUnavailable', message: 'Deployment does not have minimum availability.' },
    available
      ? { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message: `ReplicaSet "${name}" has successfully progressed.` }
      : { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message: `ReplicaSet "${name}" is progressing.` },
  ];
  return wanted.map((condition) => {
    const before = workload.status?.conditions?.find((one) => one.type === condition.type && one.status === condition.status);
    return { ...condition, lastUpdateTime: now, lastTransitionTime: before?.lastTransitionTime ?? now };
  });
}

function sameCondition(one: Condition, other: Condition): boolean {
  return one.type === other.type && one.status === other.status && one.reason === other.reason;
}
