import { execa } from 'execa';
import { problem } from '../../lib/errors.ts';

/** A snapshot file to make a member's data of; `dataFolder` must be missing or empty. */
export type Recovery = {
  readonly etcdutl: string;
  readonly snapshot: string;
  readonly skipHashCheck: boolean;
  readonly name: string;
  readonly peerUrl: string;
  readonly dataFolder: string;
  readonly folder: string;
};

/**
 * Restores a snapshot into a new one-member data folder with etcdutl, as Talos does before it starts etcd. Throws E_SNAPSHOT
 * with Talos's own words (`error recovering from the snapshot: expected sha256 [...], got [...]`).
 */
export async function recoverSnapshot(recovery: Recovery): Promise<void> {
  const done = await execa(recovery.etcdutl, [
    'snapshot', 'restore', recovery.snapshot, `--name=${recovery.name}`, `--data-dir=${recovery.dataFolder}`,
    '--initial-cluster-token=', `--initial-cluster=${recovery.name}=${recovery.peerUrl}`, `--initial-advertise-peer-urls=${recovery.peerUrl}`,
    `--skip-hash-check=${recovery.skipHashCheck}`,
  ], { reject: false, timeout: 60_000, extendEnv: false, env: { HOME: recovery.folder, PATH: '/usr/bin:/bin' }, stdin: 'ignore' });
  if (done.exitCode === 0) return;
  const words = done.stderr.split('\n').map((line) => line.trim()).filter((line) => line && !line.startsWith('{')).at(-1) ?? '';
  const reason = words.replace(/^Error: /, '') || `etcdutl ended with ${done.exitCode ?? 'a signal'}`;
  throw problem('E_SNAPSHOT', `error recovering from the snapshot: ${reason}`, 'Take another snapshot; this one cannot be restored.');
}
