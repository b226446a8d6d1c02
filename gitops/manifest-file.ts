import { isMap, isScalar, isSeq, parseDocument, stringify, type Document } from 'yaml';
import { problem } from '../lib/errors.ts';

type Key = string | number;

/** Whether a value has every field of `wanted` with its value; more fields are no difference. Lists must be equal in length. */
export function holds(value: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return value === wanted;
  if (typeof value !== 'object' || value === null || Array.isArray(value) !== Array.isArray(wanted)) return false;
  if (Array.isArray(wanted) && (value as unknown[]).length !== wanted.length) return false;
  return Object.entries(wanted).every(([key, each]) => holds((value as Record<string, unknown>)[key], each));
}

/**
 * The text of a manifest with every field of `wanted`; other fields, order and comments stay. Without a text, or where it is
 * no YAML object of that kind, a new one. Throws `E_GIT_LAYOUT` where the file holds several documents.
 */
export function withFields(text: string | undefined, wanted: object, path: string): string {
  if (text === undefined) return fresh(wanted);
  const document = parseDocument(text);
  if (document.errors.some((error) => error.code === 'MULTIPLE_DOCS')) {
    throw problem('E_GIT_LAYOUT', `${path} in the GitOps repository holds several documents`, 'That file is firstlight\'s: move the others into files of their own.', { where: { file: path } });
  }
  if (document.errors.length > 0 || !isMap(document.contents) || document.get('kind') !== (wanted as { kind?: unknown }).kind) return fresh(wanted);
  put(document, [], wanted);
  return document.toString({ lineWidth: 0 });
}

function put(document: Document, path: readonly Key[], wanted: object): void {
  for (const [key, value] of Object.entries(wanted)) {
    const at = [...path, key];
    const found: unknown = document.getIn(at, true);
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && isMap(found)) put(document, at, value as object);
    else if (isScalar(found) ? found.value !== value : !isSeq(found) || !holds(found.toJSON(), value)) document.setIn(at, document.createNode(value));
  }
}

function fresh(wanted: object): string {
  return `# Written by firstlight, which keeps the fields that are here; add others as you like.\n${stringify(wanted, { lineWidth: 0 })}`;
}
