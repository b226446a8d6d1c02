import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { requireWholeBundle } from '../../gitops/bundle.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { bundleOf, type Bundle } from '../../talos/secrets.ts';
import { proveSnapshot, requireOurs, type SnapshotProof } from '../../talos/snapshot.ts';
import { openArchive } from './open.ts';
import { ENTRY, type Archive, type ArchiveRecipient } from './types.ts';

/** An archive that was proven good as a whole. `absent` are recipients that the inventory names and the archive was not made for. */
export type Verdict = { readonly archive: Omit<Archive, 'path' | 'names'>; readonly proof: SnapshotProof; readonly absent: readonly ArchiveRecipient[] };

/** With which age identities, for which cluster, by whose signature: what `backup.signer` of the lock file says. */
export type VerifyOptions = { readonly identities: readonly string[]; readonly cluster: Cluster; readonly signer?: string };

/**
 * Proves everything about an archive that can be proven without machines: that it decrypts, is signed by the cluster's own key, holds every entry
 * as it was signed, that its snapshot restores into a real etcd and is of this cluster, that the archive's bundle opens the snapshot's
 * Secrets, and that the git bundle is whole. Nothing of it stays. Throws `E_ARCHIVE_…` and `E_SNAPSHOT_…`, each a refusal with its reason.
 */
export async function verifyArchive(host: Host, file: string, options: VerifyOptions): Promise<Verdict> {
  const folder = await mkdtemp(join(host.scratch, 'archive-'));
  try {
    const { cluster, identities, signer } = options;
    const opened = await openArchive(host, file, { identities, folder: join(folder, 'open'), cluster: cluster.name, ...(signer === undefined ? {} : { signer }) });
    const proof = await proveArchive(host, cluster, opened);
    const repository = opened.path(ENTRY.repository);
    if (repository !== undefined) await requireWholeBundle(host, repository, opened.manifest.git?.revision ?? '');
    const { path: _, names: __, ...archive } = opened;
    const keys = archive.manifest.recipients.map(({ key }) => key);
    return { archive, proof, absent: cluster.secrets.recipients.filter(({ key }) => !keys.includes(key)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The bundle of an opened archive, known to the mask. Throws `E_BUNDLE_SHAPE`, and `E_ARCHIVE_ENTRY` where it has none or that of another cluster. */
export async function bundleIn(host: Host, archive: Archive): Promise<Bundle> {
  const bundle = bundleOf(host, await readFile(need(archive, ENTRY.bundle), 'utf8'), ENTRY.bundle);
  if (bundle.clusterId === archive.manifest.clusterId) return bundle;
  throw problem('E_ARCHIVE_ENTRY', `the secrets bundle in ${archive.file} is of another cluster than the archive says`, 'Take another archive.', { where: { file: archive.file } });
}

/**
 * Proves the snapshot of an opened archive by a real restore, and that it is what the manifest says: of this cluster, with Secrets that the
 * archive's own bundle opens. Throws `E_SNAPSHOT_…`, `E_ARCHIVE_ENTRY`, what `bundleIn` throws.
 */
export async function proveArchive(host: Host, cluster: Cluster, archive: Archive): Promise<SnapshotProof> {
  const { file, manifest } = archive;
  const bundle = await bundleIn(host, archive);
  const snapshot = need(archive, ENTRY.snapshot);
  const proof = await proveSnapshot(host, snapshot, bundle);
  requireOurs(cluster, file, proof);
  const told = manifest.etcd;
  if (proof.revision === told.revision && proof.hash === told.hash && proof.keys === told.keys) return proof;
  throw problem('E_ARCHIVE_ENTRY', `the snapshot in ${file} is of revision ${proof.revision}, and its manifest says ${told.revision}`, 'Take another archive.', { where: { file } });
}

function need(archive: Archive, entry: string): string {
  const path = archive.path(entry);
  if (path !== undefined) return path;
  throw problem('E_ARCHIVE_ENTRY', `${archive.file} holds no ${entry}`, 'Take another archive.', { where: { file: archive.file } });
}
