import { open, type FileHandle } from 'node:fs/promises';
import { GPT_SECTORS, parseGpt, SECTOR, type Gpt, type Partition } from '../../lib/gpt.ts';

/** A card's file, open, with the table that is on it (if a valid one is). `bytes` is the card's size. */
export type OpenCard = { readonly file: FileHandle; readonly bytes: number; readonly table: Gpt | undefined };

/** Opens a card for one piece of work and closes it. Throws what the file system throws. */
export async function withCard<T>(path: string, flags: 'r' | 'r+', work: (card: OpenCard) => Promise<T>): Promise<T> {
  const file = await open(path, flags);
  try {
    const { size } = await file.stat();
    const table = parseGpt(await readAt(file, 0, GPT_SECTORS * SECTOR));
    return await work({ file, bytes: size, table });
  } finally {
    await file.close();
  }
}

/** Bytes of a file from `at`; fewer where it ends before. */
export async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

/** Writes all of `data` at `at`. */
export async function writeAt(file: FileHandle, at: number, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length;) {
    const { bytesWritten } = await file.write(data, done, data.length - done, at + done);
    done += bytesWritten;
  }
}

/** The partition with this label. Throws where the card has none: a board then finds no such volume. */
export function partition(card: OpenCard, label: string): Partition {
  const found = card.table?.partitions.find((one) => one.label === label);
  if (!found) throw new Error(`the card has no partition ${label}`);
  return found;
}
