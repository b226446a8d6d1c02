import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startApiServer, type ApiServer } from '../../../lab/kubernetes/api-server.ts';
import { startControlPlane as startPlane } from '../../../lab/kubernetes/control-plane.ts';
import { startEtcd, type Etcd, type EtcdStart } from '../../../lab/kubernetes/etcd.ts';
import { adminKubeconfig } from '../../../lab/kubernetes/kubeconfig.ts';
import type { ControlPlaneMaterial } from '../../../lab/kubernetes/types.ts';
import { waitFor } from '../../../lib/conditions.ts';
import { testHost, toolPrograms, type TestHost } from '../../support/host.ts';

/** A control plane of a test, in the scratch folder of a host of its own; stop() ends and removes everything. */
export type TestControlPlane = {
  readonly host: TestHost;
  readonly material: ControlPlaneMaterial;
  readonly etcd: Etcd;
  readonly api: ApiServer;
  readonly kubeconfig: string;
  kubectl(...args: string[]): Promise<string>;
  /** Power cut of etcd and the API server; what the disk holds stays. */
  cutPower(): Promise<void>;
  stop(): Promise<void>;
};

/** `nodeGraceMs` is the controllers'; without controllers the API server runs alone. `folder` names the data below the host's scratch. */
export type TestControlPlaneOptions = { readonly folder?: string; readonly nodeGraceMs?: number; readonly controllers?: boolean };

/** Starts etcd, the API server and its controllers, and waits until the first two are ready. */
export async function startControlPlane(material: ControlPlaneMaterial, host: TestHost, initial: EtcdStart, options: TestControlPlaneOptions = {}): Promise<TestControlPlane> {
  const { folder = 'cp', nodeGraceMs, controllers = true } = options;
  const base = join(host.scratch, folder);
  mkdirSync(base, { recursive: true });
  const programs = toolPrograms();
  const etcd = await startEtcd({ material, dataFolder: join(base, 'data'), folder: join(base, 'etcd'), programs, initial });
  const api = await (controllers ? startPlane : startApiServer)({ material, etcd, folder: join(base, 'api'), programs, ...(nodeGraceMs === undefined ? {} : { nodeGraceMs }) });
  const cutPower = async (): Promise<void> => { await Promise.all([etcd.kill(), api.kill()]); };
  try {
    await api.ready;
  } catch (error) {
    await cutPower();
    throw error;
  }
  const kubeconfig = join(base, 'kubeconfig');
  writeFileSync(kubeconfig, await adminKubeconfig(material), { mode: 0o600 });
  const kubectl = async (...args: string[]): Promise<string> => (await host.run({ program: 'kubectl', args: ['--kubeconfig', kubeconfig, ...args] })).stdout;
  return { host, material, etcd, api, kubeconfig, kubectl, cutPower, stop: async () => { await cutPower(); host.remove(); } };
}

/** Waits until the look gives true, or a text that matches; up to 30 s. */
export async function eventually(host: TestHost, name: string, look: () => Promise<boolean | string>, wanted: RegExp = /^true$/): Promise<void> {
  await waitFor({
    name, deadlineMs: 30_000, everyMs: 100, hint: 'see the logs below the scratch folder',
    look: async () => {
      const seen = String(await look());
      return wanted.test(seen) ? { met: true as const, value: undefined } : { met: false as const, seen };
    },
  }, host);
}

export { testHost };
