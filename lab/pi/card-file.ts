import { open, type FileHandle } from 'node:fs/promises';
import { readAt } from '../../lib/file-bytes.ts';
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

/** The partition with this label. Throws where the card has none: a board then finds no such volume. */
export function partition(card: OpenCard, label: string): Partition {
  const found = card.table?.partitions.find((one) => one.label === label);
  if (!found) throw new Error(`the card has no partition ${label}`);
  return found;
}
