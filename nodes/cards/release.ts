import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Host } from '../../lib/host.ts';

/** What was done to a card after it was written and closed. */
export type Released = 'ejected' | 'kept';

/**
 * Lets go of a written and closed block device: the system reads its new table (`blockdev --rereadpt`), and where the device is
 * removable it is ejected, so that nobody mounts it before it is taken out. A reader is never powered off: the next card needs
 * it. Where a program is missing or the device doesn't do this, nothing happens; only an abort is thrown.
 */
export async function releaseCard(host: Host, path: string): Promise<Released> {
  await quietly(host, 'blockdev', ['--rereadpt', path]);
  const removable = await readFile(`/sys/class/block/${basename(path)}/removable`, 'utf8').catch(() => '0');
  if (removable.trim() !== '1') return 'kept';
  return await quietly(host, 'eject', [path]) ? 'ejected' : 'kept';
}

async function quietly(host: Host, program: string, args: readonly string[]): Promise<boolean> {
  const done = await host.run({ program, args, timeoutMs: 20_000, accept: 'any' }).catch(() => undefined);
  host.signal.throwIfAborted();
  return done?.exitCode === 0;
}
