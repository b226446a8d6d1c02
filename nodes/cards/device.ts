import { problem } from '../../lib/errors.ts';
import { SECTOR } from '../../lib/gpt.ts';
import { alignedBuffer } from './buffers.ts';
import { deviceAt, THIS_DESK, type CardFile, type Desk, type DeskFile, type Opening } from './desk.ts';
import { blockIdentity } from './prove.ts';
import type { CardIdentity } from './types.ts';

export type { CardFile } from './desk.ts';

/**
 * A card that is open and still the proven one. Where `direct`, reads and writes go past the page cache, so that a read back asks
 * the card itself; places, lengths and memory must then be aligned to 512 bytes. `zeros` is true for a file without any data yet.
 */
export type OpenDevice = {
  readonly path: string;
  readonly bytes: number;
  readonly block: boolean;
  readonly zeros: boolean;
  readonly direct: boolean;
  readonly file: CardFile;
  close(): Promise<void>;
};

/**
 * Opens a proven card, alone (O_EXCL: EBUSY where a block device is mounted or held) and past the page cache where the system can,
 * and proves it again: same device number, size, disk sequence number and CID, or same file.
 * Throws `E_CARD_SWAPPED`, or what the system throws (EBUSY, EACCES, ENXIO…).
 */
export async function openDevice(identity: CardIdentity, desk: Desk = THIS_DESK): Promise<OpenDevice> {
  const { path, bytes } = identity;
  const block = identity.kind === 'block';
  const how = { write: true, exclusive: block };
  const past = bytes % SECTOR === 0 ? await openDirect(desk, path, how) : undefined;
  const file = past ?? await desk.open(path, how);
  try {
    const found = await file.stat();
    const same = identity.kind === 'file'
      ? found.kind === 'file' && found.dev === identity.dev && found.ino === identity.ino && found.size === bytes
      : found.kind === 'block' && sameDisk(identity, await blockIdentity(path, found.rdev, desk));
    if (!same) throw problem('E_CARD_SWAPPED', `the card ${deviceAt(desk, path)} was changed after it was proven; nothing was written`, 'Leave the card in its reader and run again.');
    return { path, bytes, block, zeros: !block && found.blocks === 0, direct: past !== undefined, file, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function sameDisk(a: CardIdentity & { kind: 'block' }, b: CardIdentity & { kind: 'block' }): boolean {
  return a.rdev === b.rdev && a.bytes === b.bytes && a.diskseq === b.diskseq && a.cid === b.cid;
}

/** Undefined where the system or the file system doesn't know O_DIRECT, or wants more than 512 bytes at once. */
async function openDirect(desk: Desk, path: string, how: Opening): Promise<DeskFile | undefined> {
  let file: DeskFile | undefined;
  try {
    file = await desk.open(path, { ...how, direct: true });
    await file.read(alignedBuffer(SECTOR), 0, SECTOR, SECTOR);
    return file;
  } catch (error) {
    await file?.close();
    if (['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw error;
  }
}
