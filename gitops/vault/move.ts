import { rm } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import { parse } from 'yaml';
import { FirstlightError, problem } from '../../lib/errors.ts';
import { readIfThere, writeWhole } from '../../lib/files.ts';
import type { Host } from '../../lib/host.ts';
import { sopsUnset } from '../../lib/sops-change.ts';
import { sopsDecrypt } from '../../lib/sops.ts';
import type { Cluster, StoredSecret, Vault } from '../../nodes/cluster.ts';
import { withoutResource, withResource } from '../kustomization-file.ts';
import { withFields } from '../manifest-file.ts';
import { readersOf, type Homelab } from '../secrets/homelab.ts';
import { setSecret } from '../secrets/set.ts';
import type { VaultClient } from './client.ts';
import { declareStore } from './declare.ts';
import { externalPath, externalSecret, keysIn } from './manifests.ts';

/** What is to be moved: the SOPS file from the repository's root and its key. `name` is the new name in the vault; `replace` allows a new version of another value there. */
export type Move = { readonly path: string; readonly key: string; readonly name?: string; readonly replace?: boolean };

/** A cluster that reads the file, with its vault opened. */
export type Reader = { readonly cluster: Cluster; readonly vault: Vault; readonly client: VaultClient };

/** What was done: the files that changed or were to be changed, for one commit, and the secret as it is declared now. */
export type Moved = { readonly paths: readonly string[]; readonly secret: StoredSecret };

/** The largest value a vault takes, in bytes (learn.microsoft.com/azure/key-vault/secrets/about-secrets). */
const BIGGEST = 25 * 1024;

/** The clusters that read a file; each needs a vault. Throws `E_VAULT_NONE`. */
export function readersWithVault(homelab: Homelab, path: string): readonly { readonly cluster: Cluster; readonly vault: Vault }[] {
  return readersOf(homelab, path).map((cluster) => {
    if (cluster.vault) return { cluster, vault: cluster.vault };
    throw problem('E_VAULT_NONE', `cluster ${cluster.name} reads ${path} and has no section vault`, `Add the section vault to ${join(cluster.folder, 'cluster.yaml')}, or keep the secret under SOPS.`);
  });
}

/**
 * Brings one value from its SOPS file into the vault of every cluster that reads the file: writes it there, reads it back, and only
 * then makes the ExternalSecret, takes the key out of the file (the last one with the file) and changes the inventory's line. At every
 * moment the value is in one of the two, so that a run which was cut off may be run again. Nothing is committed. Throws `E_VAULT_TAKEN`
 * where the vault has another value under that name, `E_SECRETS_KEY`, `E_VAULT_TOO_BIG`, `E_VAULT_READ_BACK`, `E_VAULT_…`, `E_SOPS_…`.
 */
export async function moveToVault(host: Host, homelab: Homelab, readers: readonly Reader[], move: Move): Promise<Moved> {
  const stem = stemOf(move.path);
  const sealed = await readSealed(host, homelab.root, move);
  const secret = await declaredAs(homelab, readers, stem, move, sealed, 'vault');
  const external = join(homelab.root, externalPath(secret));
  const before = await readIfThere(external);
  if (sealed.value === undefined && !has(before, move.key)) {
    throw problem('E_SECRETS_KEY', `${move.path} holds no key ${move.key}`, 'Name a file and a key as `firstlight secrets list` shows them; what is lost here is in the repository’s history.', { where: { file: move.path } });
  }
  for (const { vault, client } of readers) {
    if (sealed.value === undefined) await client.read(secret.name);
    else await deliver(vault, client, secret.name, sealed.value, move.replace === true);
  }
  const paths = new Set<string>([externalPath(secret), move.path]);
  const keys = [...keysIn(before).filter(({ key }) => key !== secret.key), secret];
  await writeWhole(external, withFields(before, externalSecret(secret, keys), externalPath(secret)));
  await changeList(homelab.root, dirname(move.path), (list, at) => withResource(list, basename(external), at), paths);
  for (const { cluster } of readers) paths.add(await declareStore(homelab.root, cluster, secret));
  if (sealed.last) {
    await changeList(homelab.root, dirname(move.path), (list, at) => withoutResource(list, basename(move.path), at), paths);
    await rm(join(homelab.root, move.path), { force: true });
  } else if (sealed.value !== undefined) {
    await sopsUnset(host, join(homelab.root, move.path), [sealed.section, move.key]);
  }
  return { paths: [...paths], secret };
}

/**
 * Brings one value back from the vault under SOPS: encrypts it, opens the file and compares, and only then takes away the
 * ExternalSecret and changes the inventory's line. In the vault the value stays. Nothing is committed.
 * Throws `E_SECRETS_KEY` where neither store has it, `E_VAULT_READ_BACK`, `E_VAULT_…`, `E_SOPS_…`.
 */
export async function moveToSops(host: Host, homelab: Homelab, readers: readonly Reader[], move: Move): Promise<Moved> {
  const stem = stemOf(move.path);
  const sealed = await readSealed(host, homelab.root, move);
  const secret = await declaredAs(homelab, readers, stem, move, sealed, 'sops');
  const external = join(homelab.root, externalPath(secret));
  const paths = new Set<string>([externalPath(secret), move.path]);
  const before = await readIfThere(external);
  if (has(before, move.key)) {
    const values = new Set<string>();
    for (const { client } of readers) values.add((await client.read(secret.name)).value);
    const [value = '', other] = [...values];
    if (other !== undefined) throw problem('E_VAULT_DIFFER', `the vaults of ${readers.map(({ cluster }) => cluster.name).join(', ')} hold different values of ${secret.name}`, 'One file under SOPS can hold only one: make them the same, or give each cluster a file of its own.');
    if (sealed.value === undefined && secret.secret !== basename(stem)) throw problem('E_SECRETS_NAME', `a new file ${move.path} would make the Secret ${basename(stem)}, not ${secret.secret}`, 'Rename the file or the Secret in cluster.yaml, so that both agree.', { where: { file: move.path } });
    for (const path of (await setSecret(host, homelab, { path: move.path, key: move.key, value, namespace: secret.namespace })).paths) paths.add(path);
    if ((await readSealed(host, homelab.root, move)).value !== value) throw problem('E_VAULT_READ_BACK', `${move.path} does not give back what was put into it`, 'Nothing was taken away; run the same command again.', { where: { file: move.path } });
  } else if (sealed.value === undefined) {
    throw problem('E_SECRETS_KEY', `${move.key} of ${move.path} is in neither store`, 'What is lost here is in the repository’s history.', { where: { file: move.path } });
  }
  for (const { cluster } of readers) paths.add(await declareStore(homelab.root, cluster, secret));
  const keys = keysIn(before).filter(({ key }) => key !== secret.key);
  if (before !== undefined && keys.length > 0) {
    await writeWhole(external, withFields(before, externalSecret(secret, keys), externalPath(secret)));
  } else {
    await changeList(homelab.root, dirname(move.path), (list, at) => withoutResource(list, basename(external), at), paths);
    await rm(external, { force: true });
  }
  return { paths: [...paths], secret };
}

function has(external: string | undefined, key: string): boolean {
  return keysIn(external).some((each) => each.key === key);
}

/** Puts the value there unless it is there, and reads it back. */
async function deliver(vault: Vault, client: VaultClient, name: string, value: string, replace: boolean): Promise<void> {
  if (Buffer.byteLength(value) > BIGGEST) throw problem('E_VAULT_TOO_BIG', `the value for ${name} has more than ${BIGGEST} bytes`, 'A vault takes no larger one: keep it under SOPS.');
  const there = await client.read(name).catch((error: unknown) => {
    if (error instanceof FirstlightError && error.code === 'E_VAULT_MISSING') return undefined;
    throw error;
  });
  if (there?.value === value) return;
  if (there && !replace) throw problem('E_VAULT_TAKEN', `${vault.url} has another value under ${name}`, 'If that one is not needed, say --replace: it stays there as an older version. Else choose another name with --name.');
  await client.write(name, value);
  if ((await client.read(name)).value !== value) throw problem('E_VAULT_READ_BACK', `${vault.url} does not give back what was put into ${name}`, 'The file under SOPS was not touched; run the same command again.');
}

type Sealed = { readonly value?: string; readonly section: string; readonly last: boolean; readonly name?: string; readonly namespace?: string };

/** The key's value in the SOPS file, where there is one. Throws `E_SECRETS_KEY` for a file that is no Kubernetes Secret, or a value that is no text. */
async function readSealed(host: Host, root: string, { path, key }: Move): Promise<Sealed> {
  if (await readIfThere(join(root, path)) === undefined) return { section: '', last: false };
  const plain = parse(await sopsDecrypt(host, join(root, path))) as { kind?: string; metadata?: { name?: string; namespace?: string }; data?: Record<string, string>; stringData?: Record<string, string> };
  if (plain.kind !== 'Secret') throw problem('E_SECRETS_KEY', `${path} is no Kubernetes Secret, so the vault can't take its place`, 'Only Secrets that Flux applies can come from the vault.', { where: { file: path } });
  const count = Object.keys(plain.data ?? {}).length + Object.keys(plain.stringData ?? {}).length;
  const named = { ...(plain.metadata?.name === undefined ? {} : { name: plain.metadata.name }), ...(plain.metadata?.namespace === undefined ? {} : { namespace: plain.metadata.namespace }) };
  const text = plain.stringData?.[key];
  if (text !== undefined) return remember(host, { value: String(text), section: 'stringData', last: count === 1, ...named });
  const coded = plain.data?.[key];
  if (coded === undefined) return { section: '', last: false, ...named };
  const bytes = Buffer.from(coded, 'base64');
  if (!Buffer.from(bytes.toString('utf8')).equals(bytes)) throw problem('E_SECRETS_KEY', `${key} of ${path} is no text`, 'A vault keeps text only: leave it under SOPS.', { where: { file: path } });
  return remember(host, { value: bytes.toString('utf8'), section: 'data', last: count === 1, ...named });
}

function remember(host: Host, sealed: Sealed & { readonly value: string }): Sealed {
  host.mask.add(sealed.value);
  return sealed;
}

/** The secret as the inventories declare it, or will. Throws `E_VAULT_NAMES` where two of them name it differently, `E_SECRETS_NAMESPACE`. */
async function declaredAs(homelab: Homelab, readers: readonly Reader[], stem: string, move: Move, sealed: Sealed, store: StoredSecret['store']): Promise<StoredSecret> {
  const found = readers.flatMap(({ vault }) => vault.secrets.filter((each) => each.path === stem && each.key === move.key));
  const names = new Set([...found.map((each) => each.name), ...(move.name === undefined ? [] : [move.name])]);
  if (names.size > 1) throw problem('E_VAULT_NAMES', `${move.key} of ${move.path} is called ${[...names].join(' and ')}`, 'Give it one name in every cluster.yaml that declares it, and leave --name out.');
  const secret = sealed.name ?? found[0]?.secret ?? basename(stem);
  const namespace = sealed.namespace ?? found[0]?.namespace;
  if (namespace === undefined) throw problem('E_SECRETS_NAMESPACE', `no namespace is known for ${move.path}`, 'Put it into the Secret’s metadata with `firstlight secrets edit`.', { where: { file: move.path } });
  const name = [...names][0] ?? `${readers.length === 1 ? readers[0]!.cluster.name : basename(homelab.root)}-${secret}-${move.key}`.replace(/[^0-9A-Za-z-]+/g, '-').slice(0, 127);
  return { name, store, path: stem, namespace, secret, key: move.key };
}

function stemOf(path: string): string {
  const stem = /^(.+\/[^/]+)\.sops\.yaml$/.exec(path)?.[1];
  if (stem !== undefined && !path.startsWith('machines/')) return stem;
  throw problem('E_SECRETS_NAME', `${path} is no file of a Secret that can be moved`, 'Name one like apps/gandalf/podinfo-token.sops.yaml.', { where: { file: path } });
}

async function changeList(root: string, folder: string, change: (text: string, path: string) => string, paths: Set<string>): Promise<void> {
  const path = posix.join(folder, 'kustomization.yaml');
  const text = await readIfThere(join(root, path));
  if (text === undefined) return;
  paths.add(path);
  const after = change(text, path);
  if (after !== text) await writeWhole(join(root, path), after);
}
