import { openDevice, type CardFile } from '../../../nodes/cards/device.ts';
import type { Open } from '../../../nodes/cards/write.ts';

/** A card that fails: changes what one card's file does, the others stay as they are. */
export function faultyCard(path: string, change: (file: CardFile) => Partial<CardFile>): Open {
  return async (identity) => {
    const card = await openDevice(identity);
    if (!card.path.endsWith(path)) return card;
    const { file } = card;
    const plain: CardFile = {
      read: (buffer, offset, length, at) => file.read(buffer, offset, length, at),
      write: (data, offset, length, at) => file.write(data, offset, length, at),
      sync: () => file.sync(),
    };
    return { ...card, file: { ...plain, ...change(plain) } };
  };
}

/** One bit of what is read is another. */
export function flipped(place: number): (file: CardFile) => Partial<CardFile> {
  return (file) => ({
    read: async (buffer, offset, length, at) => {
      const result = await file.read(buffer, offset, length, at);
      const index = offset + place - at;
      if (place >= at && place < at + result.bytesRead) buffer[index] = (buffer[index] ?? 0) ^ 1;
      return result;
    },
  });
}

/** Fails with a system error: every `what` from byte `from` to 4 GB, so that the last MiB is still taken. */
export function failing(what: 'read' | 'write', code: string, from: number): (file: CardFile) => Partial<CardFile> {
  return (file) => ({
    [what]: async (data: Uint8Array, offset: number, length: number, at: number) => {
      if (at >= from && at < 4e9) throw Object.assign(new Error(code), { code });
      return file[what](data, offset, length, at);
    },
  });
}
