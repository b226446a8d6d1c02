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
    const now: CardIdentity | undefined = found.kind === 'file' ? { kind: 'file', path, bytes: found.size, dev: found.dev, ino: found.ino }
      : found.kind === 'block' ? await blockIdentity(path, found.rdev, desk) : undefined;
    if (!now || !sameCard(identity, now)) throw swapped(deviceAt(desk, path), 'proven');
    return { path, bytes, block, zeros: !block && found.blocks === 0, direct: past !== undefined, file, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Whether two looks saw one card: the same file, or the same disk with the same medium in it. */
export function sameCard(a: CardIdentity, b: CardIdentity): boolean {
  if (a.kind === 'file') return b.kind === 'file' && a.dev === b.dev && a.ino === b.ino && a.bytes === b.bytes;
  return b.kind === 'block' && a.rdev === b.rdev && a.bytes === b.bytes && a.diskseq === b.diskseq && a.cid === b.cid;
}

/** `E_CARD_SWAPPED`: the card is not the one that was `proven`, or that a person was `asked` about. */
export function swapped(device: string, after: 'proven' | 'asked about'): Error {
  return problem('E_CARD_SWAPPED', `the card ${device} was changed after it was ${after}; nothing was written`, 'Leave the card in its reader and run again.');
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
