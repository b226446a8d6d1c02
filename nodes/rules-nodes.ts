import { present, type Draft, type Fault, type Path } from './fault.ts';
import { described } from './schema-faults.ts';

type Named = { readonly path: Path; readonly value: string | number };

/** One fault for each value that stood before; `what` completes "is already …". */
function* unique(values: Iterable<Named>, code: string, hint: string): Iterable<Fault> {
  const seen = new Map<string | number, Path>();
  for (const { path, value } of values) {
    const first = seen.get(value);
    if (first === undefined) seen.set(value, path);
    else yield { code, path, message: `${described(path)}: ${value} stands already at ${described(first)}`, hint };
  }
}

function* ofNodes(draft: Draft, key: 'name' | 'mac' | 'port'): Iterable<Named> {
  for (const [i, node] of present(draft.nodes)) {
    const value = node[key];
    if (value !== undefined) yield { path: ['nodes', i, key], value: key === 'mac' ? plainMac(String(value)) : value };
  }
}

/** A MAC address in the one form firstlight uses: small letters and colons. */
export function plainMac(text: string): string {
  return text.toLowerCase().replaceAll('-', ':');
}

/** Node names are unique. */
export function nodeNamesUnique(draft: Draft): Iterable<Fault> {
  return unique(ofNodes(draft, 'name'), 'E_INVENTORY_NAME_TWICE', 'Give each node a name of its own.');
}

/** MAC addresses are unique, however they are written. */
export function macsUnique(draft: Draft): Iterable<Fault> {
  return unique(ofNodes(draft, 'mac'), 'E_INVENTORY_MAC_TWICE', 'Read the MAC address from each board\'s sticker.');
}

/** No two boards on one PoE port: cutting one would cut the other. */
export function portsUnique(draft: Draft): Iterable<Fault> {
  return unique(ofNodes(draft, 'port'), 'E_INVENTORY_PORT_TWICE', 'Each board hangs on a port of its own.');
}

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

// A malformed section is there, although its value was taken out of the draft.
function isAbsent(draft: Draft, key: keyof Draft): boolean {
  return !Object.hasOwn(draft, key);
}

/** Card serial numbers are unique: one card cannot be in two boards. */
export function cardSerialsUnique(draft: Draft): Iterable<Fault> {
  const serials = [...present(draft.nodes)].flatMap(([i, node]) => (node.card?.serial === undefined ? [] : [{ path: ['nodes', i, 'card', 'serial'], value: node.card.serial }]));
  return unique(serials, 'E_INVENTORY_CARD_TWICE', 'Each card has its own serial number: read it again.');
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

/** Cluster names of LUNs are unique, and so are their targets. */
export function* lunsUnique(draft: Draft): Iterable<Fault> {
  const values = (key: 'name' | 'iqn'): Named[] => [...present(draft.nas?.luns)].flatMap(([i, lun]) => (lun[key] === undefined ? [] : [{ path: ['nas', 'luns', i, key], value: lun[key] }]));
  yield* unique(values('name'), 'E_INVENTORY_LUN_TWICE', 'Give each LUN a name of its own.');
  yield* unique(values('iqn'), 'E_INVENTORY_IQN_TWICE', 'Give each LUN a target of its own.');
}

/** Nobody is named twice as recipient, by name or by key. */
export function* recipientsUnique(draft: Draft): Iterable<Fault> {
  const values = (key: 'name' | 'key'): Named[] => [...present(draft.secrets?.recipients)].flatMap(([i, item]) => (item[key] === undefined ? [] : [{ path: ['secrets', 'recipients', i, key], value: item[key] }]));
  yield* unique(values('name'), 'E_INVENTORY_RECIPIENT_TWICE', 'Give each recipient a name of its own.');
  yield* unique(values('key'), 'E_INVENTORY_RECIPIENT_TWICE', 'Two recipients are only safer than one when their keys differ.');
}
