import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Decrypter, Encrypter } from 'age-encryption';
import { parse } from 'yaml';
import { problem } from '../../lib/errors.ts';
import { readIfThere, syncFolder, writeWhole } from '../../lib/files.ts';
import type { RecoverySource } from '../../lib/lock-file.ts';
import type { Host } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { Bundle } from '../../talos/secrets.ts';
import type { Before } from './before.ts';

/** The git-ignored folder in which what a recovery of this node needs outlives a killed run (docs/decisions/0015). */
export function recoveryFolder(cluster: Cluster, node: string): string {
  return join(cluster.folder, 'runs', `recovery-${node}`);
}

type Kept = Extract<RecoverySource, { readonly sha256: string }>;

/**
 * Keeps a snapshot for a recovery that may be cut off: age-encrypted with a key of the cluster's bundle, 0600, written aside, fsynced,
 * renamed. `from` says what it was taken from. Gives what the machine record names; its `sha256` is the snapshot's own.
 */
export async function keepSource(cluster: Cluster, node: string, bundle: Bundle, snapshot: string, from: Kept['from']): Promise<Kept> {
  const file = join(recoveryFolder(cluster, node), 'etcd.snapshot.age');
  const path = `${file}.${randomBytes(6).toString('hex')}.new`;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase(bundle));
  // The passphrase is 32 random bytes: stretching it would only cost time.
  encrypter.setScryptWorkFactor(1);
  const hash = createHash('sha256');
  const plain = Readable.from(hashed(createReadStream(snapshot), hash), { objectMode: false });
  try {
    const sealed = await encrypter.encrypt(Readable.toWeb(plain) as ReadableStream<Uint8Array>);
    await pipeline(Readable.fromWeb(sealed as never), createWriteStream(path, { mode: 0o600, flags: 'wx' }));
    const handle = await open(path, 'r+');
    await handle.sync().finally(() => handle.close());
    await rename(path, file);
    await syncFolder(dirname(file));
  } finally {
    await rm(path, { force: true });
  }
  return { from, file, sha256: hash.digest('hex') };
}

/**
 * Decrypts a kept snapshot into the host's scratch folder, gives its path, and proves that it is the one the record names. Throws
 * `E_RECOVERY_SOURCE` where it is gone, changed, or of another bundle.
 */
export async function openSource(host: Host, bundle: Bundle, source: Kept): Promise<string> {
  const path = join(host.scratch, `recover-${source.sha256.slice(0, 12)}.snapshot`);
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase(bundle));
  const hash = createHash('sha256');
  try {
    const plain = await decrypter.decrypt(Readable.toWeb(createReadStream(source.file)) as ReadableStream<Uint8Array>);
    await pipeline(Readable.from(hashed(Readable.fromWeb(plain as never), hash), { objectMode: false }), createWriteStream(path, { mode: 0o600 }));
  } catch (error) {
    await rm(path, { force: true });
    throw lost(source, (error as Error).message);
  }
  if (hash.digest('hex') === source.sha256) return path;
  await rm(path, { force: true });
  throw lost(source, 'it is not the file that the lock file names');
}

/** Keeps what was seen before anything was touched: names and numbers, no secrets. */
export async function keepBefore(cluster: Cluster, node: string, before: Before): Promise<void> {
  await writeWhole(join(recoveryFolder(cluster, node), 'before.json'), `${JSON.stringify(before, null, 2)}\n`, 0o600);
}

/** What was kept by `keepBefore`, or undefined. */
export async function readBefore(cluster: Cluster, node: string): Promise<Before | undefined> {
  const text = await readIfThere(join(recoveryFolder(cluster, node), 'before.json'));
  return text === undefined ? undefined : JSON.parse(text) as Before;
}

/** Removes what was kept for an earlier recovery of this node. */
export async function forgetKept(cluster: Cluster, node: string): Promise<void> {
  await rm(recoveryFolder(cluster, node), { recursive: true, force: true });
}

/** Whoever has the bundle can read the snapshot's Secrets anyway, and a recovery opens it in any case. */
function passphrase(bundle: Bundle): string {
  const { cluster } = parse(bundle.text) as { cluster: { id: string; secret: string } };
  return Buffer.from(hkdfSync('sha256', cluster.secret, cluster.id, 'firstlight kept snapshot', 32)).toString('base64');
}

async function* hashed(from: AsyncIterable<Uint8Array>, hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array> {
  for await (const piece of from) {
    hash.update(piece);
    yield piece;
  }
}

function lost(source: Kept, why: string): Error {
  return problem('E_RECOVERY_SOURCE', `the snapshot that was kept for this recovery can't be used: ${why}`,
    'Give this rebuild up (`firstlight rebuild CLUSTER NODE --give-up`) and begin again, with --snapshot where you have one; a restore begins again once its entry is out of firstlight.lock.yaml.', { where: { file: source.file } });
}
