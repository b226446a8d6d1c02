import { mkdir, rm } from 'node:fs/promises';
import { eitherSignal } from '../../../lib/signals.ts';
import { KubeRefusal, type KubeClient } from '../client.ts';
import { controllerRuns, type Runs } from '../controllers.ts';
import type { DriverRegistry } from '../csi/registry.ts';
import { pause } from '../secure-client.ts';
import { tellEvent } from './pod-event.ts';
import { missingNeed, type Missing } from './pod-needs.ts';
import { podPath, type Container, type Pod } from './pod-object.ts';
import { pendingStatus, runningStatus, succeededStatus, type PodPlace } from './pod-status.ts';
import { keepToken } from './pod-token.ts';
import { podFolder, programOf, type ProgramStart } from './programs.ts';

/** What the pods of one node share. */
export type PodContext = {
  readonly client: KubeClient;
  readonly endpoint: string;
  readonly caCrt: string;
  /** Scratch. */
  readonly folder: string;
  readonly address: string;
  readonly bootId: string;
  readonly programs: ReadonlyMap<string, string>;
  /** PATH with git and ssh. */
  readonly path: string;
  /** PEM of the authorities that containers trust besides the public ones. */
  readonly authorities?: string;
  readonly volumes: PodVolumes;
  readonly registry: DriverRegistry;
  /** The pod's own address, once the node has a range of them. */
  podIp(pod: Pod): Promise<string | undefined>;
  /** Fires when the node goes down. */
  readonly signal: AbortSignal;
};

/** What mounts a pod's claims. */
export type PodVolumes = {
  /** One try; undefined when everything is mounted, else what is missing still. Throws the connection's error. */
  mount(pod: Pod): Promise<Missing | undefined>;
  /** Lets go of what only this pod used. */
  unmount(pod: Pod): Promise<void>;
};

/** One pod: the newest object, and whether it is to go (deletion asked for, or the object gone). */
export type PodHandle = { object: Pod; removed: boolean; readonly leave: AbortController };

const RETRY_MS = 500;
const LOOK_MS = 250;
/** After a program could not be started, and at most after a volume could not be mounted. */
const AGAIN_MS = 4_000;

/**
 * Lives a pod's life as its kubelet sees it: waits for what it names, starts, tells its status, and when it is to go stops what
 * runs, lets go of its volumes and deletes the object. Ends with the node, too; then `runs` are the caller's to end. Never throws.
 */
export async function livePod(context: PodContext, handle: PodHandle, runs: Set<Runs>): Promise<void> {
  const { client, signal, bootId, address } = context;
  const leaving = eitherSignal(signal, handle.leave.signal);
  const over = ['Succeeded', 'Failed'].includes(handle.object.status?.phase ?? '');
  const folder = podFolder(context.folder, handle.object.metadata.uid ?? '');
  const own: Runs[] = [];
  for (let failed: unknown = !over; failed && !leaving.aborted;) {
    failed = await run().then(() => undefined, (error: Error) => error);
    if (!failed || leaving.aborted) break;
    const { message } = failed as Error;
    await report(pendingStatus(handle.object, await place(), 'RunContainerError', message));
    await tellEvent(client, handle.object, 'Warning', 'Failed', `Error: ${message}`);
    await endOwn();
    await pause(AGAIN_MS, leaving);
  }
  await fired(leaving);
  if (signal.aborted) return;
  await endOwn();
  await context.volumes.unmount(handle.object).catch(() => {});
  await rm(folder, { recursive: true, force: true });
  await finalDelete(client, handle, signal);

  async function endOwn(): Promise<void> {
    await Promise.all(own.splice(0).map((each) => each.end('stop').finally(() => runs.delete(each))));
  }

  async function run(): Promise<void> {
    await untilPrepared(context, handle, leaving);
    const programs = handle.object.spec.containers.filter((container) => programOf(container.image));
    const since = new Date().toISOString();
    const started = await startPrograms(programs);
    leaving.throwIfAborted();
    const { restartPolicy = 'Always' } = handle.object.spec;
    if (restartPolicy !== 'Always' && programs.length === 0) return await report(succeededStatus(handle.object, await place(), since));
    for (let told: string | undefined; !leaving.aborted;) {
      const ready = await Promise.all(started.map((each) => each.ready()));
      const notReady = programs.flatMap(({ name }, i) => (ready[i] ? [] : [name]));
      if (notReady.join() !== told) await report(runningStatus(handle.object, await place(), since, notReady));
      told = notReady.join();
      if (programs.length === 0) return;
      await pause(notReady.length === 0 ? RETRY_MS : LOOK_MS, leaving);
    }
  }

  async function place(): Promise<PodPlace> {
    return { hostIp: address, podIp: await context.podIp(handle.object), bootId };
  }

  async function report(status: object): Promise<void> {
    while (!leaving.aborted && !await writeStatus(client, handle.object, status)) await pause(RETRY_MS, leaving);
  }

  async function startPrograms(containers: readonly Container[]): Promise<Runs[]> {
    if (containers.length === 0) return [];
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const token = await keepToken(client, handle.object, folder, leaving);
    return Promise.all(containers.map(async (container) => {
      const start = (args: readonly string[]): ReturnType<NonNullable<ReturnType<typeof programOf>>> => {
        const given: ProgramStart = {
          pod: handle.object, container, node: { client, registry: context.registry }, args, folder, address, programs: context.programs, path: context.path,
          ...(context.authorities === undefined ? {} : { authorities: context.authorities }),
          access: { endpoint: context.endpoint, caCrt: context.caCrt, tokenFile: token.file, token: () => token.current() },
        };
        return programOf(container.image)!(given);
      };
      const each = controllerRuns(start);
      own.push(each);
      runs.add(each);
      await each.want(container.args ?? []);
      return each;
    }));
  }
}

/** Waits until all that the pod names is there and its claims are mounted, telling what keeps it. Throws when the pod is to go first. */
async function untilPrepared(context: PodContext, handle: PodHandle, leaving: AbortSignal): Promise<void> {
  const { client, address: hostIp, bootId } = context;
  let wait = RETRY_MS;
  for (let told: string | undefined; ;) {
    leaving.throwIfAborted();
    const missing = await missingNeed(client, handle.object).then((need) => need ?? context.volumes.mount(handle.object))
      .catch((error: Error): Missing => ({ reason: 'ContainerCreating', message: error.message }));
    if (!missing) return;
    const now = `${missing.reason} ${missing.message}`;
    if (now !== told) {
      const written = await writeStatus(client, handle.object, pendingStatus(handle.object, { hostIp, podIp: undefined, bootId }, missing.reason, missing.message));
      if (missing.event !== undefined) await tellEvent(client, handle.object, 'Warning', missing.event, missing.message);
      if (written) told = now;
    }
    await pause(wait, leaving);
    wait = missing.event === undefined ? RETRY_MS : Math.min(wait * 2, AGAIN_MS);
  }
}

/** Writes a status; a pod that is gone needs none. Tells whether it is done. */
async function writeStatus(client: KubeClient, pod: Pod, status: object): Promise<boolean> {
  const { uid } = pod.metadata;
  return client.patch(`${podPath(pod)}/status`, { metadata: { uid }, status }, 'strategic-merge')
    .then(() => true, (error: unknown) => error instanceof KubeRefusal && (error.status === 404 || error.status === 409));
}

async function finalDelete(client: KubeClient, handle: PodHandle, signal: AbortSignal): Promise<void> {
  const { uid } = handle.object.metadata;
  while (!handle.removed && !signal.aborted) {
    const done = await client.remove(podPath(handle.object), { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0, preconditions: { uid } })
      .then(() => true, (error: unknown) => error instanceof KubeRefusal && (error.status === 404 || error.status === 409));
    if (done) return;
    await pause(RETRY_MS, signal);
  }
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
}
