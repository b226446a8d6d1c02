import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type ParsedNode } from 'yaml';
import { problem, type FirstlightError, type Where } from '../lib/errors.ts';
import type { Path } from './fault.ts';

/** A YAML text read, with the way back from a value to its place. */
export type Positioned = {
  /** Plain data; undefined when the YAML itself is wrong. */
  readonly data: unknown;
  readonly problems: readonly FirstlightError[];
  /** The place of the value at `path`; of its key for `at: 'key'`; where it is missing, of what should hold it. */
  place(path: Path, at?: 'key' | 'value'): Where;
};

const HINTS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'Indent with spaces.',
  DUPLICATE_KEY: 'This key stands twice in one section: take one of them out.',
  MULTIPLE_DOCS: 'One file holds one cluster: take the line --- and what follows out.',
};

/** Reads one YAML 1.2 document. Wrong YAML (tabs, duplicate keys, unknown tags, a second document) becomes `E_INVENTORY_YAML`. */
export function readYaml(text: string, file: string): Positioned {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const spot = (offset: number): Where => {
    const { line, col } = lines.linePos(offset);
    return { file, line, col };
  };
  const problems = [...document.errors, ...document.warnings].map((error) => problem(
    'E_INVENTORY_YAML', `not good YAML: ${error.message}`,
    HINTS[error.code] ?? 'Correct the YAML at this place; indent each level by two spaces.',
    { where: spot(error.pos[0]) },
  ));
  return {
    data: problems.length > 0 ? undefined : document.toJS() as unknown,
    problems,
    place: (path, at) => spot(offsetOf(document, path, at ?? 'value')),
  };
}

function offsetOf(document: Document.Parsed<ParsedNode>, path: Path, at: 'key' | 'value'): number {
  let node = resolved(document, document.contents);
  let offset = start(node) ?? 0;
  for (const [depth, key] of path.entries()) {
    const last = depth === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) return offset;
      const keyStart = start(pair.key as Node) ?? offset;
      if (last && at === 'key') return keyStart;
      const value = isNode(pair.value) ? pair.value : null;
      offset = isMap(value) || isSeq(value) ? keyStart : start(value) ?? keyStart;
      node = resolved(document, value);
    } else if (isSeq(node) && typeof key === 'number') {
      const item = node.items[key];
      if (!isNode(item)) return offset;
      offset = start(item) ?? offset;
      node = resolved(document, item);
    } else {
      return offset;
    }
  }
  return offset;
}

function resolved(document: Document, node: Node | null): Node | undefined {
  if (node === null) return undefined;
  return isAlias(node) ? node.resolve(document) : node;
}

function start(node: Node | null | undefined): number | undefined {
  return node?.range?.[0];
}
