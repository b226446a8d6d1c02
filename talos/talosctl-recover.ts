import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { problem } from '../lib/errors.ts';
import { syncFolder } from '../lib/files.ts';
import type { Host } from '../lib/host.ts';
import { snapshotStatus, type SnapshotStatus } from './snapshot.ts';
import { talosctl, type Access } from './talosctl.ts';

/** Milliseconds for a snapshot or a database over the network: hundreds of MiB from a card that reads slowly. */
const TRANSFER_MS = 15 * 60_000;
/** Where a member of Talos's etcd has its database (siderolabs/talos:pkg/machinery/constants, EtcdDataPath). */
const DATABASE = '/var/lib/etcd/member/snap/db';

/**
 * Takes a snapshot of this control plane's etcd into `file` (0600): written aside, its length, digest and structure proven, fsynced,
 * renamed; an older file there is replaced only then. A talosconfig of the role os:etcd:backup suffices. Hangs (`E_TALOS_HANG`) where
 * etcd does not run; works without quorum. Throws `E_TALOS_…`, and `E_SNAPSHOT_…` where what came is damaged.
 */
export function etcdSnapshot(host: Host, access: Access, file: string, timeoutMs = TRANSFER_MS): Promise<SnapshotStatus> {
  return aside(host, file, 'snapshot', async (path) => { await talosctl(host, access, ['etcd', 'snapshot', path], { timeoutMs }); });
}

/**
 * Copies the raw database from a control plane whose etcd no longer answers, but whose Talos does, into `file` as `etcdSnapshot`. It
 * carries no digest: damage inside a value can't be seen. Throws `E_TALOS_…` (`E_TALOS_NOT_FOUND` without a database), `E_SNAPSHOT_…`.
 */
export function copyDatabase(host: Host, access: Access, file: string, timeoutMs = TRANSFER_MS): Promise<SnapshotStatus> {
  return aside(host, file, 'copy', async (path) => {
    const folder = await mkdtemp(join(host.scratch, 'copy-'));
    try {
      await talosctl(host, access, ['cp', DATABASE, folder], { timeoutMs });
      await rename(join(folder, basename(DATABASE)), path).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') throw problem('E_TALOS_NOT_FOUND', `${access.address} has no etcd database to copy`, 'Take a snapshot from a backup instead.');
        if (error.code !== 'EXDEV') throw error;
        await host.run({ program: 'cp', args: [join(folder, basename(DATABASE)), path], timeoutMs });
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

/**
 * Has this control plane make a new etcd cluster of itself with the data of a snapshot. Give it only a proven one, after
 * `bootstrapDecision`, with the intent on disk: real Talos accepts a damaged file with exit 0 and needs a reset then. `skipHash` for a
 * raw copy of the database, which has no digest. Throws `E_TALOS_NOT_READY`, `E_TALOS_ALREADY`, `E_TALOS_WORKER`.
 */
export async function recoverEtcd(host: Host, access: Access, file: string, options: { readonly skipHash?: boolean } = {}): Promise<void> {
  await talosctl(host, access, ['bootstrap', `--recover-from=${file}`, ...(options.skipHash ? ['--recover-skip-hash-check'] : [])], { timeoutMs: TRANSFER_MS });
}

/** Starts the machine's kubelet anew: a real one registers its Node only then (kubernetes/kubernetes:pkg/kubelet/kubelet_node_status.go). Its pods run on. Throws `E_TALOS_…`. */
export async function restartKubelet(host: Host, access: Access): Promise<void> {
  await talosctl(host, access, ['service', 'kubelet', 'restart'], { timeoutMs: 60_000 });
}

/**
 * Wipes EPHEMERAL (images, logs, etcd's data; config, identity and the image itself stay) and restarts the machine. Never without the label:
 * a reset without it empties the whole card (siderolabs/talos:cmd/talosctl/cmd/talos/reset.go). Returns when the machine took it. Throws `E_TALOS_…`.
 */
export async function resetEphemeral(host: Host, access: Access): Promise<void> {
  await talosctl(host, access, ['reset', '--graceful=false', '--reboot', '--system-labels-to-wipe=EPHEMERAL', '--wait=false'], { timeoutMs: 60_000 });
}

async function aside(host: Host, file: string, kind: 'snapshot' | 'copy', fetch: (path: string) => Promise<void>): Promise<SnapshotStatus> {
  const path = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}`);
  try {
    await fetch(path);
    await chmod(path, 0o600);
    const status = await snapshotStatus(host, path, kind);
    const handle = await open(path, 'r+');
    await handle.sync().finally(() => handle.close());
    await rename(path, file);
    await syncFolder(dirname(file));
    return status;
  } finally {
    await rm(path, { force: true });
  }
}
