import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { problem } from '../../lib/errors.ts';
import { blockIdentity } from './prove.ts';
import { BLOCK } from './image-blocks.ts';
import type { CardIdentity } from './types.ts';

/**
 * A card that is open and still the proven one. `writing` goes through the page cache; `reading` past it where the system can
 * (so that a read back asks the card itself). `zeros` is true for a file without any data yet: it reads as zeros.
 */
export type OpenDevice = {
  readonly path: string;
  readonly bytes: number;
  readonly block: boolean;
  readonly zeros: boolean;
  readonly writing: FileHandle;
  readonly reading: FileHandle;
  /** `BLOCK` bytes, aligned for direct reading. */
  readonly buffer: Buffer;
  close(): Promise<void>;
};

/**
 * Opens a proven card, alone (O_EXCL: EBUSY where a block device is mounted or held), and proves it again: same device number,
 * size, disk sequence number and CID, or same file. Throws `E_CARD_SWAPPED`, or what the system throws (EBUSY, EACCES, ENXIO…).
 */
export async function openDevice(identity: CardIdentity): Promise<OpenDevice> {
  const block = identity.kind === 'block';
  const writing = await open(identity.path, constants.O_RDWR | (block ? constants.O_EXCL : 0));
  try {
    const found = await writing.stat();
    const same = identity.kind === 'file'
      ? found.isFile() && found.dev === identity.dev && found.ino === identity.ino && found.size === identity.bytes
      : found.isBlockDevice() && sameDisk(identity, await blockIdentity(identity.path, found.rdev));
    if (!same) throw problem('E_CARD_SWAPPED', `the card ${identity.path} was changed after it was proven; nothing was written`, 'Leave the card in its reader and run again.');
    const buffer = alignedBuffer();
    const reading = await openDirect(identity.path, buffer) ?? writing;
    const close = async (): Promise<void> => {
      if (reading !== writing) await reading.close();
      await writing.close();
    };
    return { path: identity.path, bytes: identity.bytes, block, zeros: !block && found.blocks === 0, writing, reading, buffer, close };
  } catch (error) {
    await writing.close();
    throw error;
  }
}

function sameDisk(a: CardIdentity & { kind: 'block' }, b: CardIdentity & { kind: 'block' }): boolean {
  return a.rdev === b.rdev && a.bytes === b.bytes && a.diskseq === b.diskseq && a.cid === b.cid;
}

async function openDirect(path: string, buffer: Buffer): Promise<FileHandle | undefined> {
  if (constants.O_DIRECT === undefined) return undefined;
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_DIRECT);
    await file.read(buffer, 0, 4096, 0);
    return file;
  } catch (error) {
    await file?.close();
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  }
}

// The memory of a WebAssembly instance starts at a page: the one way to aligned memory without native code.
function alignedBuffer(): Buffer {
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: new (size: { initial: number }) => { buffer: ArrayBuffer } } }).WebAssembly;
  return Buffer.from(new Memory({ initial: BLOCK / 65536 }).buffer, 0, BLOCK);
}
