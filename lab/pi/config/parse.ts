import { isMap, isScalar, isSeq, LineCounter, parseAllDocuments, stringify, type Document, type Pair, type YAMLMap } from 'yaml';
import { documentKinds, V1ALPHA1, type Shape } from './schema.ts';

/** A config that Talos cannot read; the message is Talos' own. */
export class ConfigUnreadable extends Error {}

/** A machine config as data: the v1alpha1 document, where there is one, and the others. */
export type ConfigDocuments = { readonly main: Readonly<Record<string, unknown>> | undefined; readonly others: readonly Readonly<Record<string, unknown>>[] };

/** Reads a machine config as Talos `version` does. Throws `ConfigUnreadable` in Talos' words (siderolabs/talos:pkg/machinery/config/decoder). */
export function parseConfig(text: string, version: string): ConfigDocuments {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, version: '1.1', merge: true });
  if (!Array.isArray(parsed)) throw new ConfigUnreadable('no configuration documents');
  const kinds = documentKinds(version);
  let main: Record<string, unknown> | undefined;
  const others: Record<string, unknown>[] = [];
  for (const document of parsed) {
    const [error] = document.errors;
    if (error) throw new ConfigUnreadable(syntaxText(error.code, text, error.pos[0], lines));
    if (document.contents === null) continue;
    if (!isMap(document.contents)) throw new ConfigUnreadable('recovered: expected a mapping node');
    const kind = scalarAt(document.contents, 'kind');
    const apiVersion = scalarAt(document.contents, 'apiVersion');
    if (kind !== undefined || apiVersion !== undefined) {
      if (!kinds.has(kind ?? '') || apiVersion !== 'v1alpha1') throw new ConfigUnreadable(`"${kind ?? ''}" "${apiVersion ?? ''}": not registered`);
      others.push(document.toJS() as Record<string, unknown>);
      continue;
    }
    if (scalarAt(document.contents, 'version') !== 'v1alpha1') throw new ConfigUnreadable(`missing kind`);
    checkShapes(document, lines);
    main = document.toJS() as Record<string, unknown>;
  }
  return { main, others };
}

function scalarAt(map: YAMLMap, key: string): string | undefined {
  const node = map.get(key);
  return typeof node === 'string' ? node : undefined;
}

// libyaml counts lines from 0 here and tells where the unfinished thing began.
function syntaxText(code: string, text: string, position: number, lines: LineCounter): string {
  const open = unclosed(text, position);
  if (open) return `decode error: yaml: line ${lines.linePos(open.at).line - 1}: did not find expected ${open.bracket === '[' ? "',' or ']'" : "',' or '}'"}`;
  return `decode error: yaml: line ${lines.linePos(position).line}: ${code === 'BAD_INDENT' ? 'did not find expected key' : 'could not find expected \':\''}`;
}

function unclosed(text: string, position: number): { at: number; bracket: string } | undefined {
  const stack: { at: number; bracket: string }[] = [];
  for (let i = 0; i < Math.max(position, text.length); i += 1) {
    const c = text[i];
    if (c === '[' || c === '{') stack.push({ at: i, bracket: c });
    if ((c === ']' || c === '}') && stack.at(-1)?.bracket === (c === ']' ? '[' : '{')) stack.pop();
  }
  return stack[0];
}

function checkShapes(document: Document, lines: LineCounter): void {
  const wrong: string[] = [];
  const unknown: Record<string, unknown> = {};
  walk(document.contents as YAMLMap, V1ALPHA1, unknown, (line, text) => void wrong.push(`  line ${line}: ${text}`), lines);
  const endpoint = document.getIn(['cluster', 'controlPlane', 'endpoint']);
  if (wrong.length > 0) throw new ConfigUnreadable(`error decoding  to *v1alpha1.Config: yaml: unmarshal errors:\n${wrong.join('\n')}`);
  if (typeof endpoint === 'string' && /^[^/]*:/.test(endpoint) && !/^[a-z][a-z0-9+.-]*:/i.test(endpoint)) {
    throw new ConfigUnreadable(`error decoding  to *v1alpha1.Config: parse "${endpoint}": first path segment in URL cannot contain colon`);
  }
  if (Object.keys(unknown).length > 0) throw new ConfigUnreadable(`unknown keys found during decoding:\n${stringify(unknown, { indent: 4 })}`);
}

const GO_TYPES: Readonly<Record<string, string>> = { strings: '[]string', bool: 'bool', string: 'string', list: '[]interface {}', map: 'map[string]interface {}' };

function walk(map: YAMLMap, shape: Shape, unknown: Record<string, unknown>, wrong: (line: number, text: string) => void, lines: LineCounter): void {
  for (const pair of map.items as Pair[]) {
    const key = String(isScalar(pair.key) ? pair.key.value : pair.key);
    const value = pair.value;
    const below = typeof shape === 'object' ? shape[key] : 'any';
    if (below === undefined) {
      unknown[key] = toPlain(value);
      continue;
    }
    if (isScalar(value) && value.value === null) continue;
    if (typeof below === 'object') {
      if (!isMap(value)) continue;
      const inner: Record<string, unknown> = {};
      walk(value, below, inner, wrong, lines);
      if (Object.keys(inner).length > 0) unknown[key] = inner;
      continue;
    }
    const fits = below === 'any' || (below === 'map' ? isMap(value) : below === 'list' || below === 'strings' ? isSeq(value)
      : below === 'bool' ? isScalar(value) && typeof value.value === 'boolean' : isScalar(value));
    if (!fits && isScalar(value)) {
      const tag = typeof value.value === 'string' ? '!!str' : typeof value.value === 'boolean' ? '!!bool' : '!!int';
      wrong(lines.linePos(value.range?.[0] ?? 0).line, `cannot unmarshal ${tag} \`${String(value.value)}\` into ${GO_TYPES[below]}`);
    }
  }
}

function toPlain(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'toJSON' in value ? (value as { toJSON(): unknown }).toJSON() : value;
}
