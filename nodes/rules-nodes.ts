import { present, type Draft, type Fault, type Path } from './fault.ts';
import { readerParts } from './formats-reader.ts';
import { described } from './schema-faults.ts';

/** A PoE port without a switch to ask means that the switch was forgotten. */
export function* portsNeedSwitch(draft: Draft): Iterable<Fault> {
  if (draft.switch !== undefined || !isAbsent(draft, 'switch')) return;
  for (const [path] of portPaths(draft)) {
    yield { code: 'E_INVENTORY_PORT_WITHOUT_SWITCH', path, message: `${described(path)}: there is no switch in this file`, hint: 'Add the section switch, or take the ports out.' };
    return;
  }
}

function* portPaths(draft: Draft): Iterable<[Path]> {
  for (const [i, node] of present(draft.nodes)) {
    if (node.port !== undefined) yield [['nodes', i, 'port']];
  }
}

/** A card written by other means carries no address, so a board that is proven by its MAC alone would have none before its config. */
export function* staticNeedsStamp(draft: Draft): Iterable<Fault> {
  if (draft.network?.maintenance !== 'static') return;
  for (const [i, node] of present(draft.nodes)) {
    if (node.proof !== 'mac') continue;
    const path = ['nodes', i, 'proof'];
    yield { code: 'E_INVENTORY_STATIC_PROOF', path, message: `${described(path)}: a card that firstlight did not write carries no address for network.maintenance: static`,
      hint: 'Take proof: mac out, so that firstlight writes the card, or let the boards ask a DHCP server (network.maintenance: dhcp).' };
  }
}

// A malformed section is there, although its value was taken out of the draft.
function isAbsent(draft: Draft, key: keyof Draft): boolean {
  return !Object.hasOwn(draft, key);
}

/** The card reader is not in a board: Talos has no SSH, and what would write the first card? */
export function* readerIsNoNode(draft: Draft): Iterable<Fault> {
  const url = draft.reader?.url;
  if (url === undefined) return;
  const { host } = readerParts(url);
  for (const [i, node] of present(draft.nodes)) {
    if (host !== node.address && host !== node.name) continue;
    const path = ['reader', 'url'];
    yield { code: 'E_INVENTORY_READER_NODE', path, message: `${described(path)}: ${host} is ${node.name ?? `nodes[${i}]`}, which will run Talos`, hint: 'Talos has no SSH: name a Linux machine that is no node.' };
    return;
  }
}

/** One, three or five control planes: an even number tolerates no more failures than one less, more than five is slow (etcd's FAQ). */
export function* quorum(draft: Draft): Iterable<Fault> {
  if (draft.nodes === undefined) return;
  const roles = draft.nodes.map((node) => node?.role);
  if (roles.includes(undefined)) return;
  const count = roles.filter((role) => role === 'control plane').length;
  if (![1, 3, 5].includes(count)) {
    yield { code: 'E_INVENTORY_QUORUM', path: ['nodes'], at: 'key', message: `nodes: ${count} control planes make no good quorum`, hint: 'Declare exactly 1, 3 or 5 nodes with role: control plane.' };
  }
}

const LABEL_NAME = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

/** Labels have Kubernetes' form, and a kubelet may set them itself (NodeRestriction forbids most of kubernetes.io). */
export function* labelsGood(draft: Draft): Iterable<Fault> {
  for (const [i, node] of present(draft.nodes)) {
    for (const [key, value] of Object.entries(node.labels ?? {})) {
      const path = ['nodes', i, 'labels', key];
      if (!LABEL_NAME.test(key)) {
        yield { code: 'E_INVENTORY_LABEL', path, at: 'key', message: `${described(path)}: "${key}" is not a label's name`, hint: 'Use letters, digits, dots, hyphens; before them a domain and / if wanted.' };
      } else if (value !== undefined && !LABEL_VALUE.test(value)) {
        yield { code: 'E_INVENTORY_LABEL', path, message: `${described(path)}: "${value}" is not a label's value`, hint: 'Use up to 63 letters, digits, dots, hyphens and underscores.' };
      }
    }
  }
}
