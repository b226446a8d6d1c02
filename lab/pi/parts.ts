import { startControlPlane } from '../kubernetes/control-plane.ts';
import { startEtcd } from '../kubernetes/etcd.ts';
import { startKubelet } from '../kubernetes/kubelet.ts';
import { createAddresses } from '../link.ts';
import { cardParts } from './card.ts';
import { createDiscovery } from './discovery.ts';
import type { BoardParts } from './types.ts';

/** What real boards of the lab are made of: card files, real etcd and kube-apiserver from `programs` (absolute paths by name). One per world. */
export function createBoardParts(programs: ReadonlyMap<string, string>): BoardParts {
  return {
    card: cardParts, discovery: createDiscovery(), addresses: createAddresses(), startKubelet: (options) => startKubelet({ ...options, programs }),
    startEtcd: (options) => startEtcd({ ...options, programs }), startApiServer: (options) => startControlPlane({ ...options, programs }),
  };
}
