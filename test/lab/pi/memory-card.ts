import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BoardParts, CardParts, CardState } from '../../../lab/pi/types.ts';
import { createAddresses } from '../../../lab/link.ts';
import { createDiscovery } from '../../../lab/pi/discovery.ts';

/** Cards that live in memory, all bootable: for tests of the API that are not about cards. */
export function memoryCards(folder: string): CardParts {
  type Held = { meta: ReadonlyMap<number, string>; state: CardState; partitioned: boolean; wiped: boolean };
  const cards = new Map<string, Held>();
  const at = (path: string): Held => {
    const card = cards.get(path) ?? { meta: new Map(), state: {}, partitioned: false, wiped: false };
    cards.set(path, card);
    return card;
  };
  return {
    read: async (path) => (at(path).wiped ? { bootable: false, reason: 'no image' }
      : { bootable: true, version: 'v1.11.0', extensions: [], serial: `0x${Buffer.from(path).toString('hex').slice(-8)}`, bytes: 64e9, partitioned: at(path).partitioned }),
    readMeta: async (path) => at(path).meta,
    writeMeta: async (path, values) => { at(path).meta = values; },
    createPartitions: async (path) => { at(path).partitioned = true; },
    readState: async (path) => at(path).state,
    writeState: async (path, state) => { at(path).state = state; },
    wipe: async (path, labels) => {
      if (labels === 'all') at(path).wiped = true;
      if (labels === 'all' || labels.includes('STATE')) at(path).state = {};
      if (labels === 'all' || labels.includes('EPHEMERAL')) rmSync(join(folder, `ephemeral-${path}`), { recursive: true, force: true });
    },
    ephemeralFolder: async (path) => {
      const ephemeral = join(folder, `ephemeral-${path}`);
      mkdirSync(ephemeral, { recursive: true });
      return ephemeral;
    },
  };
}

/** Parts without Kubernetes and etcd: starting either fails. */
export function partsWithoutKubernetes(folder: string): BoardParts {
  return {
    card: memoryCards(folder), discovery: createDiscovery(), addresses: createAddresses(),
    startEtcd: () => Promise.reject(new Error('no etcd here')), startApiServer: () => Promise.reject(new Error('no kube-apiserver here')),
    startKubelet: () => ({ registered: () => false, pods: () => [], restart: () => {}, end: async () => {} }),
  };
}
