import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { listMacDisks } from './diskutil.ts';
import { listDisks, type Disk } from './lsblk.ts';

/**
 * The disks of this machine, or the one at `path`, by the program it has for that: lsblk (Linux), else diskutil (macOS).
 * Throws `E_CARD_TOOLS` where neither is there, `E_LSBLK`, `E_DISKUTIL`.
 */
export async function disksOf(host: Host, path?: string): Promise<Disk[]> {
  for (const list of [listDisks, listMacDisks]) {
    try {
      return await list(host, path);
    } catch (error) {
      if (!(error instanceof FirstlightError) || error.code !== 'E_NO_PROGRAM') throw error;
    }
  }
  throw problem('E_CARD_TOOLS', 'neither lsblk nor diskutil is there: no disk can be told from a card', 'Install util-linux (it has lsblk) on the machine with the card reader, or use another.');
}
