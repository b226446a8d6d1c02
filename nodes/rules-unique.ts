import { present, type Draft, type Fault, type Path } from './fault.ts';
import { plainMac } from './formats.ts';
import { described } from './schema-faults.ts';

type Named = { readonly path: Path; readonly value: string | number };

/** One fault for each value that stood before. */
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

/** Card serial numbers are unique: one card cannot be in two boards. */
export function cardSerialsUnique(draft: Draft): Iterable<Fault> {
  const serials = [...present(draft.nodes)].flatMap(([i, node]) => (node.card?.serial === undefined ? [] : [{ path: ['nodes', i, 'card', 'serial'], value: node.card.serial }]));
  return unique(serials, 'E_INVENTORY_CARD_TWICE', 'Each card has its own serial number: read it again.');
}

/** Names of LUNs are unique, and so are their targets. */
export function* lunsUnique(draft: Draft): Iterable<Fault> {
  const values = (key: 'name' | 'iqn' | 'uuid'): Named[] => [...present(draft.nas?.luns)].flatMap(([i, lun]) => (lun[key] === undefined ? [] : [{ path: ['nas', 'luns', i, key], value: lun[key] }]));
  yield* unique(values('name'), 'E_INVENTORY_LUN_TWICE', 'Give each LUN a name of its own.');
  yield* unique(values('iqn'), 'E_INVENTORY_IQN_TWICE', 'Give each LUN a target of its own.');
  yield* unique(values('uuid'), 'E_INVENTORY_LUN_TWICE', 'Each LUN stands in the file once.');
}

/** No two LUNs are for one claim: it would be bound to either. */
export function claimsUnique(draft: Draft): Iterable<Fault> {
  const claims = [...present(draft.nas?.luns)].flatMap(([i, { claim }]) => (claim?.namespace === undefined || claim.name === undefined ? []
    : [{ path: ['nas', 'luns', i, 'claim', 'name'], value: `${claim.namespace}/${claim.name}` }]));
  return unique(claims, 'E_INVENTORY_CLAIM_TWICE', 'Give each LUN a claim of its own, or only one of them a claim.');
}

/** Nobody is named twice as recipient, by name or by key. */
export function* recipientsUnique(draft: Draft): Iterable<Fault> {
  const values = (key: 'name' | 'key'): Named[] => [...present(draft.secrets?.recipients)].flatMap(([i, item]) => (item[key] === undefined ? [] : [{ path: ['secrets', 'recipients', i, key], value: item[key] }]));
  yield* unique(values('name'), 'E_INVENTORY_RECIPIENT_TWICE', 'Give each recipient a name of its own.');
  yield* unique(values('key'), 'E_INVENTORY_RECIPIENT_TWICE', 'Two recipients are only safer than one when their keys differ.');
}
