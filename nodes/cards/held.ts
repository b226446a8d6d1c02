import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { deviceAt, hostAt, type Desk } from './desk.ts';
import { disksOf } from './disks.ts';
import type { Disk } from './lsblk.ts';
import { mountsOf } from './rules.ts';

/**
 * Refuses a card that something holds for itself (O_EXCL) without having mounted it: it is being written, and what is on it now is
 * not whole. A mounted one may be read. Whatever else is wrong with it is left to who reads it. Throws `E_CARD_BUSY`, `E_LSBLK`.
 */
export async function refuseHeld(host: Host, device: string, desk: Desk): Promise<void> {
  const kind = await desk.stat(device).then((found) => found.kind, () => 'none');
  if (kind !== 'block' || !await isHeld(desk, device)) return;
  const [disk] = await disksOf(hostAt(host, desk), await desk.realpath(device));
  if (disk && (mountsOf(disk).length > 0 || carriesMore(disk))) return;
  throw problem('E_CARD_BUSY', `the card ${deviceAt(desk, device)} is being written, or held by something else`, 'Wait until that has ended, and look again: what is on it now is not whole.');
}

async function isHeld(desk: Desk, device: string): Promise<boolean> {
  try {
    await (await desk.open(device, { exclusive: true })).close();
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EBUSY';
  }
}

/** Whether LVM, RAID or the like is on a disk or on a partition of it: that holds it too. */
function carriesMore(disk: Disk): boolean {
  return disk.children.some((child) => child.type !== 'part' || carriesMore(child));
}
