import { createHash } from 'node:crypto';
import type { Container, Pod } from './pod-object.ts';

/** Where the pod is: `hostIp` of its node, `podIp` its own (undefined until the node has a range of addresses); `bootId` is the node's boot. */
export type PodPlace = { readonly hostIp: string; readonly podIp: string | undefined; readonly bootId: string };

/** Pending: what keeps the containers from starting, as a kubelet words it (`ContainerCreating`, `CreateContainerConfigError`, …). */
export function pendingStatus(pod: Pod, place: PodPlace, reason: string, message: string): object {
  const waiting = { waiting: { reason, ...(message === '' ? {} : { message }) } };
  const blank = (container: Container): object => ({
    name: container.name, image: container.image, imageID: '', ready: false, started: false, restartCount: 0, lastState: {}, state: waiting,
  });
  return {
    phase: 'Pending', ...placed(pod, place),
    containerStatuses: pod.spec.containers.map(blank),
    ...(pod.spec.initContainers ? { initContainerStatuses: pod.spec.initContainers.map(blank) } : {}),
    conditions: conditions(pod, { PodReadyToStartContainers: false, Initialized: pod.spec.initContainers === undefined, ContainersReady: false, Ready: false }),
  };
}

/** Running since `since` (ISO); `notReady` names the containers whose programs are not ready yet. Init containers are over. */
export function runningStatus(pod: Pod, place: PodPlace, since: string, notReady: readonly string[]): object {
  const running = (container: Container): object => ({
    ...whole(pod, place, container), ready: !notReady.includes(container.name), started: true, state: { running: { startedAt: since } },
  });
  const ready = notReady.length === 0;
  return {
    phase: 'Running', ...placed(pod, place),
    containerStatuses: pod.spec.containers.map(running),
    ...initStatuses(pod, place, since, running),
    conditions: conditions(pod, { PodReadyToStartContainers: true, Initialized: true, ContainersReady: ready, Ready: ready }, notReady),
  };
}

/** Succeeded: every container has ended well. */
export function succeededStatus(pod: Pod, place: PodPlace, since: string): object {
  const over = (container: Container): object => ({ ...whole(pod, place, container), ready: false, started: false, state: completed(since) });
  return {
    phase: 'Succeeded', ...placed(pod, place),
    containerStatuses: pod.spec.containers.map(over),
    ...initStatuses(pod, place, since, over),
    conditions: conditions(pod, { PodReadyToStartContainers: false, Initialized: true, ContainersReady: false, Ready: false }, [], 'PodCompleted'),
  };
}

function initStatuses(pod: Pod, place: PodPlace, since: string, sidecar: (container: Container) => object): object {
  if (!pod.spec.initContainers) return {};
  const over = (container: Container): object => ({ ...whole(pod, place, container), ready: true, started: false, state: completed(since) });
  return { initContainerStatuses: pod.spec.initContainers.map((container) => (container.restartPolicy === 'Always' ? sidecar(container) : over(container))) };
}

/** A container has one id per boot of its node, and one restart more with each. */
function whole(pod: Pod, { bootId }: PodPlace, { name, image }: Container): object {
  const containerID = `containerd://${createHash('sha256').update(`${pod.metadata.uid}/${name}/${bootId}`).digest('hex')}`;
  const before = pod.status?.containerStatuses?.find((status) => status.name === name);
  const restartCount = (before?.restartCount ?? 0) + (before?.containerID && before.containerID !== containerID ? 1 : 0);
  return { name, image, imageID: image, containerID, restartCount, lastState: {} };
}

function completed(since: string): object {
  return { terminated: { exitCode: 0, reason: 'Completed', startedAt: since, finishedAt: new Date().toISOString() } };
}

function placed(pod: Pod, { hostIp, podIp }: PodPlace): object {
  const ip = pod.spec.hostNetwork ? hostIp : podIp;
  return {
    hostIP: hostIp, hostIPs: [{ ip: hostIp }], startTime: pod.status?.startTime ?? new Date().toISOString(),
    ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
  };
}

function conditions(pod: Pod, wanted: Readonly<Record<string, boolean>>, notReady: readonly string[] = pod.spec.containers.map(({ name }) => name), why = 'ContainersNotReady'): object[] {
  const now = new Date().toISOString();
  return Object.entries(wanted).map(([type, met]) => {
    const status = met ? 'True' : 'False';
    const before = pod.status?.conditions?.find((one) => one.type === type && one.status === status);
    const said = met || (type !== 'Ready' && type !== 'ContainersReady') ? {} : { reason: why, ...(notReady.length === 0 ? {} : { message: `containers with unready status: [${notReady.join(' ')}]` }) };
    return { type, status, lastTransitionTime: before?.lastTransitionTime ?? now, ...said };
  });
}
