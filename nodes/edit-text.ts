import { isAlias, isMap, isScalar, isSeq, LineCounter, parse, parseDocument, visit, type Document, type Pair, type ParsedNode, type Scalar, type YAMLMap } from 'yaml';
import { problem, type FirstlightError } from '../lib/errors.ts';
import { plainMac } from './formats.ts';

/** What of a node is to be written anew; what is not named stays. */
export type NodeChange = { readonly mac?: string; readonly card?: { readonly device?: string; readonly serial?: string } };

/** A part of the text and what takes its place; an insertion where both ends are one. */
type Splice = { readonly from: number; readonly to: number; readonly text: string };

type Section = YAMLMap.Parsed;
type Place = { readonly text: string; readonly file: string; readonly document: Document.Parsed; readonly lines: LineCounter; readonly node: string };

/**
 * The text of a cluster.yaml with values of one node set: all else stays as it is to the byte, and a value keeps its quotes. Pure; the
 * text has to be a good inventory. Throws `E_INVENTORY_EDIT` with the place, where the node is not there or the value is shared by an alias.
 */
export function editedText(text: string, file: string, node: string, change: NodeChange): string {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const place: Place = { text, file, document, lines, node };
  const section = sectionOf(place);
  const splices: Splice[] = [];
  if (change.mac !== undefined) splices.push(valueSplice(place, section, 'mac', plainMac(change.mac)));
  const card = Object.entries(change.card ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined);
  if (card.length > 0) splices.push(...cardSplices(place, section, card));
  const after = splices.toSorted((one, other) => other.from - one.from).reduce((whole, { from, to, text: put }) => whole.slice(0, from) + put + whole.slice(to), text);
  for (const [key, wanted] of [...change.mac === undefined ? [] : [['mac', plainMac(change.mac)] as const], ...card]) {
    const read = (parse(after) as { nodes: { name: string; mac: string; card?: Record<string, unknown> }[] }).nodes.find(({ name }) => name === node);
    if ((key === 'mac' ? read?.mac : read?.card?.[key]) !== wanted) throw refused(place, section.range[0], `${key} can't be written where it stands`);
  }
  return after;
}

/** The same with another host key of the git host (`ssh-ed25519 AAAA…`). Throws `E_INVENTORY_EDIT` where gitops.hostKey does not stand there by itself. */
export function textWithHostKey(text: string, file: string, hostKey: string): string {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const place: Place = { text, file, document, lines, node: 'gitops.hostKey' };
  const section = document.get('gitops', true) as unknown;
  if (!isMap(section)) throw refused(place, 0, 'there is no section gitops');
  const { from, to, text: put } = valueSplice(place, section as Section, 'hostKey', hostKey);
  return text.slice(0, from) + put + text.slice(to);
}

function sectionOf(place: Place): Section {
  const nodes = place.document.get('nodes', true) as unknown;
  const section = isSeq(nodes) ? nodes.items.find((item): item is Section => isMap(item) && item.get('name') === place.node) : undefined;
  if (!section) throw refused(place, 0, 'it is not among the nodes');
  return section;
}

/** The change of a value that is there. */
function valueSplice(place: Place, section: Section, key: string, value: string): Splice {
  const old = pairOf(section, key)?.value;
  if (isAlias(old)) return { from: old.range![0], to: old.range![1], text: written(value, undefined) };
  if (!isScalar(old)) throw refused(place, section.range[0], `${key} is not there`);
  if (old.type === 'BLOCK_LITERAL' || old.type === 'BLOCK_FOLDED') throw refused(place, old.range![0], `${key} is a block of text: write it on one line`);
  if (old.anchor !== undefined && hasAlias(place.document, old.anchor)) throw refused(place, old.range![0], `${key} is shared by the alias *${old.anchor}: give each place its own value`);
  return { from: old.range![0], to: old.range![1], text: written(value, old.type) };
}

function cardSplices(place: Place, section: Section, entries: readonly [string, string][]): Splice[] {
  const card = pairOf(section, 'card')?.value;
  if (card === undefined) return [insertion(place, section, 'mac', `card: { ${entries.map(([key, value]) => `${key}: ${written(value, undefined)}`).join(', ')} }`)];
  if (!isMap(card)) throw refused(place, section.range[0], 'its card is shared by an alias: give each node its own');
  if (card.anchor !== undefined && hasAlias(place.document, card.anchor)) throw refused(place, card.range![0], `its card is shared by the alias *${card.anchor}: give each node its own`);
  const own = card as Section;
  const there = entries.filter(([key]) => own.has(key)).map(([key, value]) => valueSplice(place, own, key, value));
  const missing = entries.filter(([key]) => !own.has(key)).map(([key, value]) => `${key}: ${written(value, undefined)}`);
  if (missing.length === 0) return there;
  const [first] = own.items;
  if (first === undefined) return [{ from: own.range[0], to: own.range[1], text: `{ ${missing.join(', ')} }` }];
  return [...there, ...missing.map((pair) => insertion(place, own, String((first.key as Scalar).value), pair))];
}

/** A new pair after that of `after`: on a line of its own, or in the braces that the section is written in. */
function insertion(place: Place, section: Section, after: string, pair: string): Splice {
  const neighbour = pairOf(section, after)!;
  const [start, end] = [(neighbour.key as Scalar.Parsed).range[0], (neighbour.value as ParsedNode).range[1]];
  if (section.flow) return { from: end, to: end, text: `, ${pair}` };
  const { text, lines } = place;
  const lineEnd = text.indexOf('\n', end);
  const crlf = text[(lineEnd === -1 ? text.indexOf('\n') : lineEnd) - 1] === '\r';
  const at = lineEnd === -1 ? text.length : lineEnd - (text[lineEnd - 1] === '\r' ? 1 : 0);
  return { from: at, to: at, text: `${crlf ? '\r\n' : '\n'}${' '.repeat(lines.linePos(start).col - 1)}${pair}` };
}

function pairOf(section: Section, key: string): Pair<ParsedNode, ParsedNode | null> | undefined {
  return section.items.find((pair) => isScalar(pair.key) && pair.key.value === key);
}

/** A text as YAML: in the quotes it had, else bare where it then is the same text in any place, else in double quotes. */
function written(value: string, before: Scalar['type'] | undefined): string {
  if (before === 'QUOTE_SINGLE') return `'${value.replaceAll("'", "''")}'`;
  if (before === 'QUOTE_DOUBLE') return JSON.stringify(value);
  return /^[\w/][\w/.:@+=-]*$/.test(value) && !value.endsWith(':') && parse(value) === value ? value : JSON.stringify(value);
}

function hasAlias(document: Document.Parsed, anchor: string): boolean {
  let found = false;
  visit(document, { Alias: (_key, alias) => { found ||= alias.source === anchor; } });
  return found;
}

function refused(place: Place, offset: number, why: string): FirstlightError {
  const { line, col } = place.lines.linePos(offset);
  return problem('E_INVENTORY_EDIT', `${place.node} can't be changed in the file: ${why}`, 'Change it by hand, and run the same command again.', { where: { file: place.file, line, col, node: place.node } });
}
