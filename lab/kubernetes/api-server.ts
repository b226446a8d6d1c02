import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { apiServerFlags } from './api-server-flags.ts';
import { writeBootstrapObjects } from './bootstrap-objects.ts';
import { kubeClient, type KubeClient } from './client.ts';
import type { Etcd } from './etcd.ts';
import { keepRunning } from './kept-program.ts';
import { adminPair } from './kubeconfig.ts';
import { programPath } from './pki-folder.ts';
import { pause } from './secure-client.ts';
import type { ControlPlaneMaterial } from './types.ts';

/** `folder` is scratch for certificates and the log. */
export type ApiServerOptions = {
  readonly material: ControlPlaneMaterial;
  readonly etcd: Etcd;
  readonly folder: string;
  readonly programs: ReadonlyMap<string, string>;
};

/** A running kube-apiserver. */
export type ApiServer = {
  /** The pid of the program now; it changes when the API server had to be started again. */
  pid(): number | undefined;
  readonly url: string;
  /** Resolves once /readyz is ok and Talos's bootstrap objects are there; rejects when stopped first. */
  readonly ready: Promise<void>;
  /** As admin, over this server. */
  readonly client: KubeClient;
  readonly log: string;
  stop(): Promise<void>;
  kill(): Promise<void>;
};

/**
 * Starts real kube-apiserver on material.address:6443 over a member of etcd, with the config's own CAs, keys and encryption.
 * Returns at once: the program is started when etcd is ready, and again whenever it ends by itself. Throws E_NO_PROGRAM.
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { material, etcd, folder } = options;
  const program = programPath(options.programs, 'kube-apiserver');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const args = await apiServerFlags(material, etcd, folder);
  const url = `https://${material.address}:6443`;
  const client = kubeClient({ url, ca: material.kubernetesCa.crt, ...await adminPair(material) });
  const log = join(folder, 'kube-apiserver.log');
  const ended = new AbortController();
  const kept = keepRunning({ program, args, log, env: { HOME: folder, PATH: '/usr/bin:/bin' } }, etcd.ready);
  const ready = untilReady(client, material, ended.signal, log);
  ready.catch(() => {});
  const end = (how: 'stop' | 'kill') => async (): Promise<void> => {
    ended.abort();
    await kept.end(how);
    client.close();
  };
  return { pid: () => kept.pid(), url, ready, client, log, stop: end('stop'), kill: end('kill') };
}

async function untilReady(client: KubeClient, material: ControlPlaneMaterial, ended: AbortSignal, log: string): Promise<void> {
  while (!ended.aborted) {
    const ready = await client.text('/readyz').then((said) => said === 'ok', () => false)
      && await writeBootstrapObjects(client, material).then(() => true, () => false);
    if (ready) return;
    await pause(50, ended);
  }
  throw new Error(`kube-apiserver was stopped before it was ready; its log is ${log}`);
}
