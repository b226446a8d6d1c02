import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, posix } from 'node:path';
import { parse, parseDocument, stringify } from 'yaml';
import { problem } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import { sopsSet } from '../../lib/sops-change.ts';
import { sopsEncrypt } from '../../lib/sops.ts';
import { withResource } from '../kustomization-file.ts';
import { recipientsFor, type Homelab } from './homelab.ts';
import { secretContent } from './manifest.ts';

/** What is to be set: the file from the repository's root, the key (`token`, or `stringData.token`, or `a.b` outside Secrets). */
export type SecretChange = { readonly path: string; readonly key: string; readonly value: string; readonly namespace?: string };

/** What was done: the files that changed (none where the value was there already), and the Secret's name where it is one. */
export type SecretSet = { readonly paths: readonly string[]; readonly created: boolean; readonly secret?: { readonly name: string; readonly namespace?: string } };

/** The rule for Kubernetes Secrets: only what is inside, so that name and namespace stay readable. */
const SECRET_VALUES = '^(data|stringData)$';

/**
 * Sets one value of an encrypted file, or makes the file: a Kubernetes Secret of the file's name (listed in the folder's
 * kustomization.yaml), or a plain map under machines/. Encrypted for everybody who reads the file by the inventory. Nothing is
 * committed. Throws `E_SECRETS_NAME`, `E_SECRETS_PLAIN`, `E_SECRETS_KEY`, `E_SOPS_…`, `E_RECIPIENTS`.
 */
export async function setSecret(host: Host, homelab: Homelab, change: SecretChange): Promise<SecretSet> {
  host.mask.add(change.value);
  const whole = join(homelab.root, change.path);
  const text = await readIfThere(whole);
  if (text === undefined) return createSecret(host, homelab, change);
  const content = secretContent(change.path, text);
  if (content.kind !== 'encrypted') {
    throw problem('E_SECRETS_PLAIN', `${change.path} is not encrypted, so nothing secret is put into it`, 'Name an encrypted file (*.sops.yaml), or one that does not exist yet.', { where: { file: change.path } });
  }
  const read: unknown = parseDocument(text).toJS();
  const changed = await sopsSet(host, whole, keysOf(change.key, read, change.path), change.value);
  return { paths: changed ? [change.path] : [], created: false, ...secretOf(read) };
}

async function createSecret(host: Host, homelab: Homelab, change: SecretChange): Promise<SecretSet> {
  const name = /^([a-z0-9][a-z0-9.-]*)\.sops\.ya?ml$/.exec(basename(change.path))?.[1];
  if (name === undefined) {
    throw problem('E_SECRETS_NAME', `${change.path} does not exist, and a new file must be named NAME.sops.yaml`, 'Name it like apps/gandalf/podinfo-token.sops.yaml, in small letters, digits and hyphens.', { where: { file: change.path } });
  }
  const kubernetes = change.path.split('/')[0] !== 'machines';
  const list = posix.join(posix.dirname(change.path), 'kustomization.yaml');
  const listed = kubernetes && existsSync(join(homelab.root, list)) ? await readFile(join(homelab.root, list), 'utf8') : undefined;
  const namespace = change.namespace ?? (listed === undefined ? undefined : text(parse(listed), 'namespace'));
  if (kubernetes && namespace === undefined) {
    throw problem('E_SECRETS_NAMESPACE', `no namespace is known for the new Secret ${name}`, `Say it with --namespace, or put \`namespace:\` into ${list}.`, { where: { file: change.path } });
  }
  const plain = kubernetes
    ? { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type: 'Opaque', stringData: { [change.key.replace(/^stringData\./, '')]: change.value } }
    : nested(change.key.split('.'), change.value);
  const recipients = recipientsFor(homelab, change.path).map((one) => one.key);
  const content = await sopsEncrypt(host, { plain: stringify(plain), path: change.path, recipients, ...(kubernetes ? { encryptedRegex: SECRET_VALUES } : {}) });
  await writeWhole(join(homelab.root, change.path), content);
  const paths = [change.path];
  if (listed !== undefined) {
    const after = withResource(listed, basename(change.path), list);
    if (after !== listed) { await writeWhole(join(homelab.root, list), after); paths.push(list); }
  }
  return { paths, created: true, ...(kubernetes && namespace !== undefined ? { secret: { name, namespace } } : {}) };
}

/** The way to a key: in a Secret `token` means stringData.token, or data.token where that is what is there. */
function keysOf(key: string, read: unknown, path: string): readonly string[] {
  if (key === '' || key.startsWith('sops')) throw problem('E_SECRETS_KEY', `"${key}" is no key of ${path}`, 'Name a key as `firstlight secrets list` shows it.', { where: { file: path } });
  if (text(read, 'kind') !== 'Secret') return key.split('.');
  const [, section, rest] = /^(data|stringData)\.(.+)$/.exec(key) ?? [];
  if (section !== undefined && rest !== undefined) {
    if (section === 'data') throw inData(rest, path);
    return [section, rest];
  }
  const data = (read as { data?: Record<string, unknown> }).data;
  if (data && key in data) throw inData(key, path);
  return ['stringData', key];
}

/** `data` is base64, `stringData` is not: setting one beside the other would leave two truths. */
function inData(key: string, path: string): Error {
  return problem('E_SECRETS_KEY', `${key} of ${path} lies under data, in base64`, 'Move it to stringData with `firstlight secrets edit`, then set it.', { where: { file: path } });
}

function secretOf(read: unknown): Pick<SecretSet, 'secret'> {
  const metadata = (read as { metadata?: unknown } | null)?.metadata;
  const [name, namespace] = [text(metadata, 'name'), text(metadata, 'namespace')];
  if (text(read, 'kind') !== 'Secret' || name === undefined) return {};
  return { secret: { name, ...(namespace === undefined ? {} : { namespace }) } };
}

function text(value: unknown, key: string): string | undefined {
  const found = (value as Record<string, unknown> | null | undefined)?.[key];
  return typeof found === 'string' ? found : undefined;
}

function nested(keys: readonly string[], value: string): unknown {
  return keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}
