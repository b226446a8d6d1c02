import { join } from 'node:path';
import type { ApiServer } from '../kubernetes/api-server.ts';
import type { Etcd } from '../kubernetes/etcd.ts';
import { startWorkloads, type Workloads } from '../kubernetes/workloads.ts';
import { createBoardParts } from '../pi/parts.ts';
import type { BoardParts } from '../pi/types.ts';

/** What all boards of one world are made of: real etcd and kube-apiserver, one discovery service; `etcds` are those that run. */
export type WorldParts = { readonly parts: BoardParts; readonly etcds: ReadonlySet<Etcd> };

/** Makes the parts. `programs` are absolute paths by name. */
export function createParts(programs: ReadonlyMap<string, string>): WorldParts {
  const etcds = new Set<Etcd>();
  let running = false;
  const base = createBoardParts(programs);
  const parts: BoardParts = {
    ...base,
    startEtcd: async (options) => {
      const etcd = await base.startEtcd(options);
      etcds.add(etcd);
      void etcd.exited.then(() => etcds.delete(etcd));
      return etcd;
    },
    startApiServer: async (options) => {
      const server = await base.startApiServer(options);
      if (running) return server;
      running = true;
      const { material } = options;
      const workloads = await startWorkloads({ material, folder: join(options.folder, 'workloads'), address: material.address, programs });
      return withWorkloads(server, workloads, () => { running = false; });
    },
  };
  return { parts, etcds };
}

/** The workloads of a cluster run once, beside its first API server, and end with it. */
function withWorkloads(server: ApiServer, workloads: Workloads, ended: () => void): ApiServer {
  return {
    ...server,
    stop: async () => { await workloads.stop(); ended(); await server.stop(); },
    kill: async () => { await Promise.all([workloads.kill(), server.kill()]); ended(); },
  };
}

/** How etcdctl reaches the members that run, as settings for a shell; empty when none does. */
export function etcdSettings(etcds: ReadonlySet<Etcd>): Record<string, string> {
  const [first] = etcds;
  if (!first) return {};
  const { files } = first.tls;
  return { ETCDCTL_ENDPOINTS: [...etcds].map((etcd) => etcd.clientUrl).join(','), ETCDCTL_CACERT: files.ca, ETCDCTL_CERT: files.crt, ETCDCTL_KEY: files.key };
}
