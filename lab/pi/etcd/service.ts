import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd, EtcdStart } from '../../kubernetes/etcd.ts';
import type { ControlPlaneMaterial } from '../../kubernetes/types.ts';
import { prepareService, runService } from '../machine/service-texts.ts';
import { status } from '../wire/status.ts';
import type { Node } from '../node.ts';

/** What a bootstrap is to begin with: nothing, or the snapshot that EtcdRecover brought. */
export type BootstrapOrder = { readonly recover: boolean; readonly skipHashCheck: boolean };

/** etcd on a control plane: waiting, running, failed or left. */
export type EtcdService = {
  /** The member's id, once it runs. */
  memberId(): bigint | undefined;
  /** The running, answering etcd; waits for it as Talos does: for ever, or until `signal` fires. */
  running(signal: AbortSignal): Promise<Etcd>;
  /** Starts a cluster of its own. Throws AlreadyExists where there is data, FailedPrecondition for a recovery without a snapshot. */
  bootstrap(order: BootstrapOrder): Promise<void>;
  /** Where EtcdRecover puts the snapshot. */
  readonly snapshotFile: string;
  /** Leaves for good: etcd ends, its data is removed. */
  left(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
};

const HEALTH_MS = 500;
// Between the order and the first byte in the data folder, as the pre state of the real service takes its time.
const PRE_STATE_MS = 250;

/** Begins etcd's service: restarts what is in `data`, or waits for a bootstrap or for others to join. `up` hears of etcd answering. */
export async function startEtcdService(node: Node, material: ControlPlaneMaterial, data: string, up: (etcd: Etcd) => void): Promise<EtcdService> {
  const snapshotFile = join(data, '..', 'etcd.snapshot');
  await mkdir(join(data, '..'), { recursive: true, mode: 0o700 });
  let current: Etcd | undefined;
  let ready = false;
  let memberId: bigint | undefined;
  let ended = false;
  let attempt = new AbortController();
  const waiters = new Set<() => void>();

  const filled = async (): Promise<boolean> => (await readdir(data).catch(() => [])).length > 0;

  let starting: Promise<unknown> = Promise.resolve();

  const begin = async (initial: EtcdStart, signal: AbortSignal): Promise<void> => {
    try {
      const start = node.parts.startEtcd({ material, dataFolder: data, folder: join(node.folder, 'etcd'), initial, signal });
      starting = start.then((etcd) => (signal.aborted ? etcd.kill() : undefined), () => {});
      const etcd = await start;
      if (signal.aborted) return;
      current = etcd;
      node.logs.set('etcd', etcd.log);
      runService(node.services, 'etcd', etcd.pid);
      void watchExit(etcd, signal);
      await etcd.ready;
      memberId = (await etcd.status()).memberId;
      ready = true;
      for (const wake of waiters) wake();
      up(etcd);
      void watchHealth(etcd, signal);
    } catch (error) {
      if (signal.aborted) return;
      node.services.note('etcd', 'Failed', `Failed to run pre stage: ${(error as Error).message}`);
    }
  };

  const watchExit = async (etcd: Etcd, signal: AbortSignal): Promise<void> => {
    const code = await etcd.exited;
    if (signal.aborted || current !== etcd) return;
    ready = false;
    current = undefined;
    node.services.note('etcd', 'Failed', `Failed to run: task "etcd" failed: exit code ${code}`);
  };

  const watchHealth = async (etcd: Etcd, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted && current === etcd) {
      const problem = await etcd.status().then((said) => (said.learner ? 'etcdserver: rpc not supported for learner' : said.leader === 0n ? 'etcdserver: no leader' : undefined), (error: Error) => error.message);
      if (signal.aborted || current !== etcd) return;
      node.services.health('etcd', problem === undefined, problem ?? '');
      await sleep(HEALTH_MS, undefined, { signal }).catch(() => {});
    }
  };

  const restart = (again: boolean): AbortSignal => {
    attempt.abort();
    attempt = new AbortController();
    ready = false;
    node.services.forget('etcd');
    prepareService(node.services, 'etcd', again);
    return attempt.signal;
  };

  const end = async (how: 'stop' | 'kill'): Promise<void> => {
    ended = true;
    attempt.abort();
    ready = false;
    memberId = undefined;
    const etcd = current;
    current = undefined;
    await starting;
    await etcd?.[how]();
  };

  const joinOthers = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const others = node.members().filter((one) => one.machineType === 'controlplane' && !one.addresses.includes(material.address));
      if (others.length > 0) return begin({ kind: 'join', clientUrls: others.map((one) => `https://${one.addresses[0]}:2379`) }, signal);
      await sleep(HEALTH_MS, undefined, { signal }).catch(() => {});
    }
  };

  const first = restart(false);
  if (await filled()) void begin({ kind: 'restart' }, first);
  else void joinOthers(first);

  return {
    snapshotFile,
    memberId: () => memberId,
    running: (signal) => new Promise((resolve, reject) => {
      const look = (): void => {
        if (!ready || !current) return;
        done();
        resolve(current);
      };
      const gone = (): void => {
        done();
        reject(status('Canceled', 'context canceled'));
      };
      const done = (): void => {
        waiters.delete(look);
        signal.removeEventListener('abort', gone);
      };
      waiters.add(look);
      signal.addEventListener('abort', gone);
      if (signal.aborted) gone();
      look();
    }),
    bootstrap: async (order) => {
      if (ended || await filled()) throw status('AlreadyExists', 'etcd data directory is not empty');
      const old = current;
      current = undefined;
      node.services.note('etcd', 'Finished', 'Bootstrap requested');
      const signal = restart(true);
      void (async () => {
        await starting;
        await old?.kill();
        await sleep(PRE_STATE_MS, undefined, { signal }).catch(() => {});
        if (signal.aborted) return;
        if (order.recover) await begin({ kind: 'recover', snapshot: snapshotFile, skipHashCheck: order.skipHashCheck }, signal);
        else await begin(await filled() ? { kind: 'restart' } : { kind: 'new' }, signal);
      })();
    },
    left: async () => {
      await end('stop');
      node.services.note('etcd', 'Finished', 'Service finished successfully');
      node.services.health('etcd', false);
      await rm(data, { recursive: true, force: true });
    },
    stop: () => end('stop'),
    kill: () => end('kill'),
  };
}
