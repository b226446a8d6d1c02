import { present, type Draft, type Fault } from './fault.ts';
import { sizeInBytes } from './formats.ts';
import { BOARD_BYTES, ownBytes } from './memory.ts';
import { described } from './schema-faults.ts';

/** What pods may take leaves Talos, the kubelet and, on a control plane, etcd and the API server what they need of 8 GiB. */
export function* memoryPossible(draft: Draft): Iterable<Fault> {
  for (const [i, node] of present(draft.nodes)) {
    if (node.memory === undefined || node.role === undefined) continue;
    const most = BOARD_BYTES - ownBytes(node.role);
    if (sizeInBytes(node.memory) <= most) continue;
    const path = ['nodes', i, 'memory'];
    yield { code: 'E_INVENTORY_MEMORY', path, message: `${described(path)}: ${node.memory} for pods is more than a ${node.role} with 8 GiB has beside its own ${ownBytes(node.role) / 2 ** 30} GiB`,
      hint: `Write at most ${most / 2 ** 30}GiB, less for a board with less memory.` };
  }
}
