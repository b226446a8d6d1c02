import { SECTOR } from '../../../lib/gpt.ts';
import type { CardFile } from '../../../nodes/cards/device.ts';

type Write = { readonly at: number; readonly data: Buffer; done?: number };
type Sync = { readonly began: number; done?: number };

/** What was asked of a card, in order, to make what would be on it had the power been cut. */
export type Diary = {
  watch(file: CardFile): Partial<CardFile>;
  /** How many moments there are to cut at. */
  moments(): number;
  /** What is on the card after a cut at that moment: all that a sync had made durable; of the rest each write whole, torn or lost. */
  after(moment: number, before: Buffer): Buffer;
};

/** Begins a diary. */
export function keepDiary(): Diary {
  let moment = 0;
  const writes: { readonly began: number; readonly write: Write }[] = [];
  const syncs: Sync[] = [];
  return {
    watch: (file) => ({
      write: async (data, offset, length, at) => {
        const write: Write = { at, data: Buffer.from(data.subarray(offset, offset + length)) };
        writes.push({ began: moment++, write });
        const result = await file.write(data, offset, length, at);
        write.done = moment++;
        return result;
      },
      sync: async () => {
        const sync: Sync = { began: moment++ };
        syncs.push(sync);
        await file.sync();
        sync.done = moment++;
      },
    }),
    moments: () => moment,
    after: (cut, before) => {
      const card = Buffer.from(before);
      for (const { began, write } of writes) {
        if (began >= cut) continue;
        const durable = syncs.some((sync) => (write.done ?? Infinity) < sync.began && (sync.done ?? Infinity) < cut);
        put(card, write, durable ? write.data.length : someSectors(write.data.length));
      }
      return card;
    },
  };
}

function someSectors(bytes: number): number {
  const kind = Math.floor(Math.random() * 3);
  if (kind === 0) return 0;
  return kind === 1 ? bytes : Math.floor(Math.random() * bytes / SECTOR) * SECTOR;
}

function put(card: Buffer, write: Write, bytes: number): void {
  if (write.at < card.length) write.data.copy(card, write.at, 0, Math.min(bytes, card.length - write.at));
}
