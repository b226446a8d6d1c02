import { isMap, isScalar, isSeq, parseAllDocuments, type Document } from 'yaml';
import { recipientsIn } from '../../lib/sops.ts';

/** What a file of the repository means to its secrets; `places` are lines (from 1) of what should not be in the clear. */
export type SecretContent =
  | { readonly kind: 'none' }
  | { readonly kind: 'encrypted'; readonly recipients: readonly string[]; readonly keys: readonly SecretKey[]; readonly plainKeys: readonly string[]; readonly encryptedAt: string | undefined }
  | { readonly kind: 'plain'; readonly what: string; readonly line: number };

/** One encrypted value: the way to it (`stringData.token`, never the value) and its line, from 1. */
export type SecretKey = { readonly path: string; readonly line: number };

const PRIVATE = /AGE-SECRET-KEY-1[0-9A-Z]{20,}|-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;

/**
 * Judges one file by its text. Plain is: a Kubernetes Secret with a value that sops did not encrypt, a private key or an age
 * identity in any file, and whatever is named `*.sops.yaml` without being encrypted.
 */
export function secretContent(path: string, text: string): SecretContent {
  const found = PRIVATE.exec(text);
  if (found) return { kind: 'plain', what: found[0].startsWith('AGE') ? 'an age identity' : 'a private key', line: lineOf(text, found.index) };
  if (!/\.(ya?ml|json)$/.test(path)) return { kind: 'none' };
  // `.sops.yaml` itself holds only rules.
  const named = /[^/]\.sops\.(ya?ml|json)$/.test(path);
  const mentions = /^\s*"?kind"?:\s*"?Secret\b/m.test(text) || /^\s*"?sops"?:/m.test(text);
  if (!named && !mentions) return { kind: 'none' };
  const recipients = recipientsIn(text);
  const documents = parseAllDocuments(text);
  if (recipients !== undefined) return encrypted(documents, recipients, text);
  if (named) return { kind: 'plain', what: 'a file named as encrypted that is not', line: 1 };
  for (const document of documents) {
    if (document.get('kind') !== 'Secret') continue;
    const values = ['data', 'stringData'].flatMap((section) => valuesIn(document, section));
    const [first] = values.filter((value) => !value.sealed);
    if (first) return { kind: 'plain', what: `a Secret in the clear (${first.path})`, line: lineOf(text, first.offset) };
  }
  return { kind: 'none' };
}

function encrypted(documents: readonly Document[], recipients: readonly string[], text: string): SecretContent {
  const [first] = documents;
  const regex: unknown = first?.getIn(['sops', 'encrypted_regex']);
  const only = typeof regex === 'string' ? new RegExp(regex) : /^/;
  const values = documents.flatMap((document) => {
    const sections = document.get('kind') === 'Secret' ? ['data', 'stringData'] : topKeys(document).filter((key) => only.test(key));
    return sections.flatMap((section) => valuesIn(document, section));
  });
  const at: unknown = first?.getIn(['sops', 'lastmodified']);
  return {
    kind: 'encrypted', recipients, encryptedAt: typeof at === 'string' ? at : undefined,
    keys: values.filter((value) => value.sealed).map((value) => ({ path: value.path, line: lineOf(text, value.offset) })),
    plainKeys: values.filter((value) => !value.sealed).map((value) => value.path),
  };
}

type Value = { readonly path: string; readonly sealed: boolean; readonly offset: number };

function topKeys(document: Document): string[] {
  if (!isMap(document.contents)) return [];
  return document.contents.items.map((pair) => String(pair.key)).filter((key) => key !== 'sops');
}

function valuesIn(document: Document, section: string): Value[] {
  return scalarsOf(document.get(section, true), section);
}

function scalarsOf(node: unknown, path: string): Value[] {
  if (isMap(node)) return node.items.flatMap((pair) => scalarsOf(pair.value, `${path}.${String(pair.key)}`));
  if (isSeq(node)) return node.items.flatMap((item, index) => scalarsOf(item, `${path}[${index}]`));
  if (!isScalar(node) || node.value === null || node.value === '') return [];
  return [{ path, sealed: typeof node.value === 'string' && node.value.startsWith('ENC['), offset: node.range?.[0] ?? 0 }];
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
