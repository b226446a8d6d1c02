import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { problem } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import type { Cluster } from '../nodes/cluster.ts';
import type { Bundle } from './secrets.ts';
import { readContents, type SnapshotContents } from './snapshot-contents.ts';
import { withScratchEtcd } from './scratch-etcd.ts';

/** A snapshot as etcd gives it, with its digest behind the database; or a raw copy of the database file of a member, without. */
export type SnapshotKind = 'snapshot' | 'copy';

/** What a file said of itself before anything was restored. `hash` is etcd's own over all keys (hex, 8 digits), `sha256` that of the whole file. */
export type SnapshotStatus = { readonly kind: SnapshotKind; readonly bytes: number; readonly sha256: string; readonly revision: number; readonly hash: string; readonly keys: number };

/** A snapshot that is known to be good: an etcd ran on it and showed what it holds. */
export type SnapshotProof = SnapshotStatus & SnapshotContents;

/** The SHA-256 that `etcd` writes behind the database (etcd-io/etcd:etcdutl/snapshot/v3_snapshot.go, hasChecksum). */
const DIGEST = 32;
/** The database is whole pages, each a multiple of this. */
const SECTOR = 512;

/**
 * Proves a snapshot good, offline: length and digest, the real `etcdutl` on its structure, a real restore with a real etcd that
 * answers, and what it holds: objects, whether its Secrets open with the bundle, whose cluster it is. Reads the file, changes nothing.
 * Real Talos takes a damaged one without a word and needs a reset then, so nothing unproven may be given to it.
 * Throws `E_SNAPSHOT_MISSING`, `_CUT`, `_DIGEST`, `_DATABASE`, `_RESTORE`, `_EMPTY`, `_ROOM`; each but the last is a refusal of the file.
 */
export async function proveSnapshot(host: Host, file: string, bundle: Pick<Bundle, 'text' | 'kubernetesCa'>, kind: SnapshotKind = 'snapshot'): Promise<SnapshotProof> {
  const status = await snapshotStatus(host, file, kind);
  const contents = await withScratchEtcd(host, file, { skipHash: kind === 'copy' }, (etcd) => readContents(etcd, bundle));
  if (contents.objects.length === 0) {
    throw problem('E_SNAPSHOT_EMPTY', `${file} holds no Kubernetes object`, 'It was taken of a new, empty etcd: choose another one.', { where: { file } });
  }
  return { ...status, ...contents };
}

/** The quick part of the proof: length, digest, and what `etcdutl snapshot status` says. Throws as `proveSnapshot`, but `_RESTORE`, `_EMPTY`, `_ROOM`. */
export async function snapshotStatus(host: Host, file: string, kind: SnapshotKind): Promise<SnapshotStatus> {
  const where = { where: { file } };
  const bytes = await stat(file).then((found) => (found.isFile() ? found.size : 0), () => undefined);
  if (bytes === undefined) throw problem('E_SNAPSHOT_MISSING', `${file} is not there`, 'Name a file that exists.', where);
  if (bytes <= DIGEST || bytes % SECTOR !== (kind === 'copy' ? 0 : DIGEST)) {
    const should = kind === 'copy' ? 'a copy of etcd’s database is whole pages' : 'a snapshot is whole pages and a digest of 32 bytes';
    throw problem('E_SNAPSHOT_CUT', `${file} is ${bytes} bytes long: ${should}, so it is cut off or no snapshot`, 'Take another one, or choose an older one that is whole.', where);
  }
  const sha256 = await digest(file, bytes);
  if (kind === 'snapshot') {
    const [told, held] = [await tail(file, bytes), await digest(file, bytes - DIGEST)];
    if (told !== held) {
      throw problem('E_SNAPSHOT_DIGEST', `${file} was damaged after it was taken: its SHA-256 is ${held.slice(0, 12)}…, and ${told.slice(0, 12)}… stands at its end`,
        'Take another one, or choose an older one that is whole.', where);
    }
  }
  const done = await host.run({ program: 'etcdutl', args: ['snapshot', 'status', file, '--write-out=json'], accept: 'any', timeoutMs: 5 * 60_000 });
  const said = /^\{"hash":.*$/m.exec(done.stdout)?.[0];
  if (done.exitCode !== 0 || said === undefined) {
    const words = done.stderr.split('\n').find((line) => /^(Error|panic|.*failed)/.test(line)) ?? 'no word of why';
    throw problem('E_SNAPSHOT_DATABASE', `${file} is no sound etcd database: ${words.replace(/^Error: /, '').slice(0, 300)}`, 'Take another one, or choose an older one that is whole.', where);
  }
  const { hash, revision, totalKey } = JSON.parse(said) as { hash: number; revision: number; totalKey: number };
  return { kind, bytes, sha256, revision, hash: hash.toString(16).padStart(8, '0'), keys: totalKey };
}

/**
 * Refuses a proven snapshot that this cluster could not live on: of another cluster (`E_SNAPSHOT_OTHER_CLUSTER`: another CA signed its
 * API server, or none of its nodes is declared), or with Secrets that the bundle can't open (`E_SNAPSHOT_BUNDLE`).
 */
export function requireOurs(cluster: Cluster, file: string, proof: SnapshotContents): void {
  const where = { where: { file } };
  const declared = cluster.nodes.map((node) => node.name);
  if (proof.secrets === 'wrong bundle') {
    throw problem('E_SNAPSHOT_BUNDLE', `the Secrets in ${file} were encrypted with another key than the one in secrets.sops.yaml`,
      'The bundle and the snapshot must be of one and the same cluster: bring back the bundle of that time from git’s history, or choose another snapshot.', where);
  }
  if (proof.authority === 'another') {
    throw problem('E_SNAPSHOT_OTHER_CLUSTER', `${file} is of a cluster with another Kubernetes CA than ${cluster.name}’s${proof.nodes.length > 0 ? ` (nodes ${proof.nodes.join(', ')})` : ''}`,
      `Choose a snapshot of ${cluster.name}.`, where);
  }
  if (proof.nodes.length > 0 && !proof.nodes.some((name) => declared.includes(name))) {
    throw problem('E_SNAPSHOT_OTHER_CLUSTER', `${file} knows the nodes ${proof.nodes.join(', ')}, and ${cluster.name} has ${declared.join(', ')}`, `Choose a snapshot of ${cluster.name}.`, where);
  }
}

async function digest(file: string, bytes: number): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file, { end: bytes - 1 })) hash.update(piece as Buffer);
  return hash.digest('hex');
}

async function tail(file: string, bytes: number): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(DIGEST), 0, DIGEST, bytes - DIGEST);
    return buffer.toString('hex');
  } finally {
    await handle.close();
  }
}
