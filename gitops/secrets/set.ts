import { existsSync } from 'node:fs';
import { basename, join, posix } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { problem } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import { sopsSet, type Keys } from '../../lib/sops-change.ts';
import { sopsEncrypt } from '../../lib/sops.ts';
import { withResource } from '../kustomization-file.ts';
import { recipientsFor, requireNoLink, type Homelab } from './homelab.ts';
import { readKeyPath } from './key-path.ts';
import { secretContent } from './manifest.ts';

/**
 * What is to be set: the file from the repository's root, and the key. In a Kubernetes Secret that is one name, dots and all
 * (`token`, `tls.crt`; `stringData.token` and `data.token` say the section too); elsewhere a way, as `readKeyPath` reads it. Bytes
 * that are no text go under data, in base64.
 */
export type SecretChange = { readonly path: string; readonly key: string; readonly value: string | Uint8Array; readonly namespace?: string };

/** What was done: whether the value is another now, the files that belong into its commit, and the Secret's name where it is one. */
export type SecretSet = { readonly changed: boolean; readonly created: boolean; readonly paths: readonly string[]; readonly secret?: { readonly name: string; readonly namespace?: string } };

/** The rule for Kubernetes Secrets: only what is inside, so that name and namespace stay readable. */
const SECRET_VALUES = '^(data|stringData)$';

/**
 * Sets one value of an encrypted file, or makes the file: a Kubernetes Secret of the file's name (listed in the folder's
 * kustomization.yaml), or a plain map under machines/. Encrypted for everybody who reads the file by the inventory. Nothing is
 * committed; cut off anywhere, the same call goes on. Throws `E_SECRETS_NAME`, `E_SECRETS_PLAIN`, `E_SECRETS_KEY`,
 * `E_SECRETS_BINARY`, `E_SECRETS_LINK`, `E_SECRETS_DOCUMENTS`, `E_SOPS_…`, `E_RECIPIENTS`.
 */
export async function setSecret(host: Host, homelab: Homelab, change: SecretChange): Promise<SecretSet> {
  host.mask.add(typeof change.value === 'string' ? change.value : Buffer.from(change.value).toString('base64'));
  await requireNoLink(homelab, change.path);
  const whole = join(homelab.root, change.path);
  const text = await readIfThere(whole);
  if (text === undefined) return createSecret(host, homelab, change);
  const content = secretContent(change.path, text);
  if (content.kind !== 'encrypted') {
    throw problem('E_SECRETS_PLAIN', `${change.path} is not encrypted, so nothing secret is put into it`, 'Name an encrypted file (*.sops.yaml), or one that does not exist yet.', { where: { file: change.path } });
  }
  const [first, ...others] = parseAllDocuments(text);
  if (others.length > 0) throw problem('E_SECRETS_DOCUMENTS', `${change.path} holds ${others.length + 1} documents, and sops sets values in the first alone`, 'Change it with `firstlight secrets edit`, or give each Secret a file of its own.', { where: { file: change.path } });
  const read: unknown = first?.toJS();
  const place = stringOf(read, 'kind') === 'Secret' ? inSecret(change, read as Sections) : inMap(change);
  const changed = await sopsSet(host, whole, place.keys, place.value);
  // A new file that an earlier call, cut off, did not come to commit: the list belongs to it.
  const committed = await host.run({ program: 'git', args: ['cat-file', '-e', `HEAD:./${change.path}`], cwd: homelab.root, accept: 'any' });
  const list = committed.exitCode !== 0 ? listOf(homelab, change.path) : undefined;
  return { changed, created: false, paths: [change.path, ...(list === undefined ? [] : [list])], ...secretOf(read) };
}

async function createSecret(host: Host, homelab: Homelab, change: SecretChange): Promise<SecretSet> {
  const name = /^([a-z0-9][a-z0-9.-]*)\.sops\.ya?ml$/.exec(basename(change.path))?.[1];
  if (name === undefined) {
    throw problem('E_SECRETS_NAME', `${change.path} does not exist, and a new file must be named NAME.sops.yaml`, 'Name it like apps/gandalf/podinfo-token.sops.yaml, in small letters, digits and hyphens.', { where: { file: change.path } });
  }
  const kubernetes = change.path.split('/')[0] !== 'machines';
  const list = kubernetes ? listOf(homelab, change.path) : undefined;
  const listed = list === undefined ? undefined : await readIfThere(join(homelab.root, list));
  const after = list === undefined || listed === undefined ? undefined : withResource(listed, basename(change.path), list);
  const namespace = change.namespace ?? (listed === undefined ? undefined : stringOf(parse(listed), 'namespace'));
  if (kubernetes && namespace === undefined) {
    throw problem('E_SECRETS_NAMESPACE', `no namespace is known for the new Secret ${name}`, `Say it with --namespace, or put \`namespace:\` into ${list ?? posix.join(posix.dirname(change.path), LISTS[0])}.`, { where: { file: change.path } });
  }
  const { keys, value } = kubernetes ? inSecret(change, {}) : inMap(change);
  if (keys.some((key) => typeof key === 'number')) throw noKey(change, 'has a place in a list, and the file is new');
  const inner = keys.reduceRight<unknown>((below, key) => ({ [key]: below }), value) as object;
  const plain = kubernetes ? { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type: 'Opaque', ...inner } : inner;
  const recipients = recipientsFor(homelab, change.path).map((one) => one.key);
  const content = await sopsEncrypt(host, { plain: stringify(plain), path: change.path, recipients, ...(kubernetes ? { encryptedRegex: SECRET_VALUES } : {}) });
  // The list first: where this is cut off in between, the file is still to be made, and the next call comes here again.
  if (list !== undefined && after !== undefined && after !== listed) await writeWhole(join(homelab.root, list), after);
  await writeWhole(join(homelab.root, change.path), content);
  return { changed: true, created: true, paths: [change.path, ...(list === undefined ? [] : [list])], ...(kubernetes && namespace !== undefined ? { secret: { name, namespace } } : {}) };
}

/** The names a kustomization may have (kubernetes-sigs/kustomize: api/konfig). */
const LISTS = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'] as const;

function listOf(homelab: Homelab, path: string): string | undefined {
  return LISTS.map((name) => posix.join(posix.dirname(path), name)).find((list) => existsSync(join(homelab.root, list)));
}

type Sections = { readonly data?: Readonly<Record<string, unknown>> | null; readonly stringData?: Readonly<Record<string, unknown>> | null };
type Place = { readonly keys: Keys; readonly value: string };

/** A key of a Secret stays in the section where it is: one in both would be two truths. A new one is text, unless it is none. */
function inSecret(change: SecretChange, read: Sections): Place {
  const [, said, rest] = /^(data|stringData)\.(.+)$/.exec(change.key) ?? [];
  const name = rest ?? change.key;
  // As Kubernetes takes them (kubernetes/apimachinery: pkg/util/validation, IsConfigMapKey).
  if (!/^[-._a-zA-Z0-9]{1,253}$/.test(name)) throw noKey(change, 'is no name that Kubernetes takes in a Secret');
  const there = (['stringData', 'data'] as const).find((section) => Object.hasOwn(read[section] ?? {}, name));
  const binary = typeof change.value !== 'string';
  const section = said ?? there ?? (binary ? 'data' : 'stringData');
  if (there !== undefined && there !== section) throw noKey(change, `lies under ${there}`);
  if (binary && section === 'stringData') throw noKey(change, 'lies under stringData, which takes text only; the value is bytes');
  return { keys: [section, name], value: section === 'data' ? Buffer.from(change.value).toString('base64') : change.value as string };
}

function inMap(change: SecretChange): Place {
  const keys = readKeyPath(change.key);
  if (keys === undefined || keys[0] === 'sops') throw noKey(change, 'is no way to a value');
  if (typeof change.value !== 'string') throw problem('E_SECRETS_BINARY', `the value is no text, and ${change.path} is no Kubernetes Secret, which could hold bytes`, 'Pipe it through base64, where whoever reads it expects that.', { where: { file: change.path } });
  return { keys, value: change.value };
}

function noKey(change: SecretChange, why: string): Error {
  return problem('E_SECRETS_KEY', `"${change.key}" of ${change.path} ${why}`, 'Name a key as `firstlight secrets list` shows it: in a Secret its name; elsewhere names with dots between them, one that has a dot itself in double quotes. `firstlight secrets edit` changes all else.', { where: { file: change.path } });
}

function secretOf(read: unknown): Pick<SecretSet, 'secret'> {
  const metadata = (read as { metadata?: unknown } | null)?.metadata;
  const [name, namespace] = [stringOf(metadata, 'name'), stringOf(metadata, 'namespace')];
  if (stringOf(read, 'kind') !== 'Secret' || name === undefined) return {};
  return { secret: { name, ...(namespace === undefined ? {} : { namespace }) } };
}

function stringOf(value: unknown, key: string): string | undefined {
  const found = (value as Record<string, unknown> | null | undefined)?.[key];
  return typeof found === 'string' ? found : undefined;
}
