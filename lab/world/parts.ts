import type { Etcd } from '../kubernetes/etcd.ts';
import type { Mount } from '../kubernetes/volumes/node-volumes.ts';
import { createBoardParts } from '../pi/parts.ts';
import type { BoardParts } from '../pi/types.ts';

/**
 * What all boards of one world are made of: real etcd and Kubernetes, one discovery service; `etcds` are those that run, `mounts` all
 * mounts of claims since the world began.
 */
export type WorldParts = { readonly parts: BoardParts; readonly etcds: ReadonlySet<Etcd>; readonly mounts: readonly Mount[] };

/** Makes the parts. `programs` are absolute paths by name, `authorities` PEM of those that containers trust besides the public ones. */
export function createParts(programs: ReadonlyMap<string, string>, authorities?: string): WorldParts {
  const etcds = new Set<Etcd>();
  const mounts: Mount[] = [];
  const base = createBoardParts(programs);
  const parts: BoardParts = {
    ...base,
    startEtcd: async (options) => {
      const etcd = await base.startEtcd(options);
      etcds.add(etcd);
      void etcd.exited.then(() => etcds.delete(etcd));
      return etcd;
    },
    startKubelet: (options) => base.startKubelet({ ...options, ...(authorities === undefined ? {} : { authorities }), onMount: (mount) => mounts.push(mount) }),
  };
  return { parts, etcds, mounts };
}

/** How etcdctl reaches the members that run, as settings for a shell; empty when none does. */
export function etcdSettings(etcds: ReadonlySet<Etcd>): Record<string, string> {
  const [first] = etcds;
  if (!first) return {};
  const { files } = first.tls;
  return { ETCDCTL_ENDPOINTS: [...etcds].map((etcd) => etcd.clientUrl).join(','), ETCDCTL_CACERT: files.ca, ETCDCTL_CERT: files.crt, ETCDCTL_KEY: files.key };
}
