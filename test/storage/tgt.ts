import { existsSync, mkdtempSync, rmSync, writeFileSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGuarded } from '../../lab/guard.ts';
import { waitFor } from '../../lib/conditions.ts';
import type { TestHost } from '../support/host.ts';

const TGTD = '/usr/sbin/tgtd';
const TGTADM = '/usr/sbin/tgtadm';

/** Why tests against tgt can't run here, or false where they can. */
export const noTgt: string | false = existsSync(TGTD) && existsSync(TGTADM) ? false : 'tgt is not installed (apt-get install tgt)';

/** A real tgtd on a loopback address; gone at the end of the scope. */
export type Tgt = { admin(...args: string[]): Promise<void>; readonly image: string; [Symbol.asyncDispose](): Promise<void> };

/** Starts tgtd without root: its own management socket, one portal, and an image of `bytes` for a LUN. */
export async function openTgt(host: TestHost, address: string, bytes: number): Promise<Tgt> {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-tgt-'));
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TGT_IPC_SOCKET: join(folder, 'ipc') };
  const image = join(folder, 'lun1.img');
  writeFileSync(image, '');
  truncateSync(image, bytes);
  const daemon = await startGuarded({ program: TGTD, args: ['-f', '-C', '0', '--iscsi', `portal=${address}:3260`], env, log: join(folder, 'log') });
  const admin = async (...args: string[]): Promise<void> => {
    await host.run({ program: TGTADM, args: ['--lld', 'iscsi', ...args], env, timeoutMs: 5_000 });
  };
  await waitFor({
    name: 'tgtd answers', deadlineMs: 10_000, everyMs: 20, hint: 'Look into its log.',
    look: async () => {
      const { exitCode } = await host.run({ program: TGTADM, args: ['--lld', 'iscsi', '--op', 'show', '--mode', 'sys'], env, timeoutMs: 5_000, accept: 'any' });
      return exitCode === 0 ? { met: true, value: undefined } : { met: false, seen: `exit ${exitCode}` };
    },
  }, host);
  return {
    admin, image,
    async [Symbol.asyncDispose]() {
      await daemon.kill(); // tgtd ignores SIGTERM
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
