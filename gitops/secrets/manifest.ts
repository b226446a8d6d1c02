import { isAlias, isMap, isScalar, isSeq, parseAllDocuments, type Document } from 'yaml';
import { recipientsIn } from '../../lib/sops.ts';
import type { Keys } from '../../lib/sops-change.ts';
import { writeKeyPath } from './key-path.ts';

/** What a file of the repository means to its secrets; `line` (from 1) is that of the first thing that should not be in the clear. */
export type SecretContent =
  | { readonly kind: 'none' }
  | { readonly kind: 'encrypted'; readonly recipients: readonly string[]; readonly grouped: boolean; readonly keys: readonly SecretKey[]; readonly plainKeys: readonly string[] }
  | { readonly kind: 'plain'; readonly what: string; readonly line: number };

/** One encrypted value: the way to it as `secrets set` takes it (`stringData.token`, never the value) and its line, from 1. */
export type SecretKey = { readonly path: string; readonly line: number };

const PRIVATE = /AGE-SECRET-KEY-1[0-9A-Z]{20,}|-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;
const MENTIONS = /\bkind["']?\s*:\s*["']?(Secret|SecretList)\b|["']?\bsops["']?\s*:|\bsecretGenerator\b/;
/** Not a value but the place of one: a Helm template's, or a variable that Flux puts in after decryption. */
const PLACE = /^(\{\{.*\}\}|\$\{[A-Za-z_]\w*\})$/s;

/**
 * Judges one file by its text. Plain is: a Kubernetes Secret with a value that sops did not encrypt (in lists and in kustomize's
 * secretGenerator too), a private key or an age identity in any file, and whatever is named `*.sops.yaml` without being encrypted.
 */
export function secretContent(path: string, text: string): SecretContent {
  const found = PRIVATE.exec(text);
  if (found) return { kind: 'plain', what: found[0].startsWith('AGE') ? 'an age identity' : 'a private key', line: lineOf(text, found.index) };
  if (!/\.(ya?ml|json)$/i.test(path) && !/(^|\/)Kustomization$/.test(path)) return { kind: 'none' };
  // `.sops.yaml` itself holds only rules.
  const named = /[^/]\.sops\.(ya?ml|json)$/.test(path);
  if (!named && !MENTIONS.test(text)) return { kind: 'none' };
  const conflict = named ? /^<{7} /m.exec(text) : undefined;
  if (conflict) return { kind: 'plain', what: 'the marks of a merge conflict: take one side whole (git checkout --ours or --theirs), set the other’s values again', line: lineOf(text, conflict.index) };
  const recipients = recipientsIn(text);
  const documents = parseAllDocuments(text);
  if (recipients !== undefined) return encrypted(documents, recipients, text);
  if (named) return { kind: 'plain', what: 'a file named as encrypted that is not', line: 1 };
  for (const document of documents) {
    const [first] = secretValues(document, document.contents, []).filter((value) => !value.sealed && !value.place);
    if (first) return { kind: 'plain', what: `a Secret in the clear (${secretPath(first.keys)})`, line: lineOf(text, first.offset) };
  }
  return { kind: 'none' };
}

type Value = { readonly keys: Keys; readonly sealed: boolean; readonly place: boolean; readonly offset: number };

function encrypted(documents: readonly Document[], recipients: readonly string[], text: string): SecretContent {
  const keys: SecretKey[] = [];
  const plainKeys: string[] = [];
  for (const document of documents) {
    const isSecret = document.get('kind') === 'Secret';
    const rule = ruleOf(document);
    const values = isSecret ? secretValues(document, document.contents, []) : scalarsOf(document, document.contents, []).filter((value) => value.keys[0] !== 'sops');
    for (const value of values) {
      const path = isSecret ? secretPath(value.keys) : writeKeyPath(value.keys);
      if (value.sealed) keys.push({ path, line: lineOf(text, value.offset) });
      else if (isSecret ? !value.place : rule(value.keys)) plainKeys.push(path);
    }
  }
  return { kind: 'encrypted', recipients, grouped: documents[0]?.hasIn(['sops', 'key_groups']) === true, keys, plainKeys };
}

/**
 * Which values the file's own sops section has encrypted, as far as it tells: suffixes and regular expressions are held against every
 * name on the way to a value, places in lists excepted (getsops/sops: sops.go, shouldBeEncrypted). What goes by comments is not judged.
 */
function ruleOf(document: Document): (keys: Keys) => boolean {
  const said = (name: string): string => { const value: unknown = document.getIn(['sops', name]); return typeof value === 'string' ? value : ''; };
  const any = (keys: Keys, fits: (name: string) => boolean): boolean => keys.some((key) => typeof key === 'string' && fits(key));
  const [ends, plainEnds, only, plain] = [said('encrypted_suffix'), said('unencrypted_suffix'), regex(said('encrypted_regex')), regex(said('unencrypted_regex'))];
  if (only === null || plain === null || said('encrypted_comment_regex') || said('unencrypted_comment_regex')) return () => false;
  return (keys) => !(plainEnds && any(keys, (name) => name.endsWith(plainEnds))) && !(ends && !any(keys, (name) => name.endsWith(ends)))
    && !(plain && any(keys, (name) => plain.test(name))) && !(only && !any(keys, (name) => only.test(name)));
}

/** Undefined where there is none, null for one that only Go understands. */
function regex(text: string): RegExp | undefined | null {
  try {
    return text === '' ? undefined : new RegExp(text);
  } catch {
    return null;
  }
}

/** What is secret of a manifest by its kind: a Secret's data, those of the Secrets in a list, the literals of a secretGenerator. */
function secretValues(document: Document, node: unknown, keys: Keys): Value[] {
  if (!isMap(node)) return [];
  const kind: unknown = node.get('kind');
  const below = (section: string): Value[] => scalarsOf(document, node.get(section, true), [...keys, section]);
  if (kind === 'Secret') return ['data', 'stringData'].flatMap(below);
  if (kind === 'List' || kind === 'SecretList') {
    const items = node.get('items');
    return isSeq(items) ? items.items.flatMap((item, index) => secretValues(document, item, [...keys, 'items', index])) : [];
  }
  const generators = node.get('secretGenerator');
  if (!isSeq(generators)) return [];
  return generators.items.flatMap((item, index) => (isMap(item) ? scalarsOf(document, item.get('literals', true), [...keys, 'secretGenerator', index, 'literals']) : []));
}

function scalarsOf(document: Document, given: unknown, keys: Keys): Value[] {
  const node = isAlias(given) ? given.resolve(document) : given;
  if (isMap(node)) return node.items.flatMap((pair) => scalarsOf(document, pair.value, [...keys, String(pair.key)]));
  if (isSeq(node)) return node.items.flatMap((item, index) => scalarsOf(document, item, [...keys, index]));
  if (!isScalar(node) || node.value === null || node.value === '') return [];
  const value = String(node.value);
  return [{ keys, sealed: value.startsWith('ENC['), place: PLACE.test(value.trim()), offset: node.range?.[0] ?? 0 }];
}

/** In a Secret the names below data and stringData may hold dots, and need no quotes. */
function secretPath(keys: Keys): string {
  const [section, name] = keys;
  return keys.length === 2 && typeof name === 'string' ? `${section}.${name}` : writeKeyPath(keys);
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
