import { basename } from 'node:path';
import type { Host } from '../../lib/host.ts';
import { hostAt, THIS_DESK, type Desk } from './desk.ts';

/** What was done to a card after it was written and closed. */
export type Released = 'ejected' | 'kept';

/**
 * Lets go of a written and closed block device: the system reads its new table (`blockdev --rereadpt`), and where the device is
 * removable it is ejected, so that nobody mounts it before it is taken out. A reader is never powered off: the next card needs
 * it. Where a program is missing or the device doesn't do this, nothing happens; only an abort is thrown.
 */
export async function releaseCard(host: Host, path: string, desk: Desk = THIS_DESK): Promise<Released> {
  const there = hostAt(host, desk);
  await quietly(there, 'blockdev', ['--rereadpt', path]);
  const removable = await desk.fact(`/sys/class/block/${basename(path)}/removable`);
  if (removable !== '1') return 'kept';
  return await quietly(there, 'eject', [path]) ? 'ejected' : 'kept';
}

async function quietly(host: Host, program: string, args: readonly string[]): Promise<boolean> {
  const done = await host.run({ program, args, timeoutMs: 20_000, accept: 'any' }).catch(() => undefined);
  host.signal.throwIfAborted();
  return done?.exitCode === 0;
}
