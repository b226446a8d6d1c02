import type { Host } from '../../lib/host.ts';
import type { CardFile } from './desk.ts';

/** After this long without any answer from a card that was asked something, a person is told. */
export const STALL_MS = 30_000;

const LOOK_EVERY_MS = 2_000;

/** A card's file that knows since when it has answered nothing (milliseconds of the clock); undefined where nothing was asked. */
export type WatchedFile = CardFile & { silentSince(): number | undefined };

/** Watches what is asked of a card's file. */
export function watchFile(file: CardFile, now: () => number): WatchedFile {
  let under = 0;
  let since = 0;
  async function watched<T>(work: Promise<T>): Promise<T> {
    if (under === 0) since = now();
    under += 1;
    try {
      return await work;
    } finally {
      under -= 1;
      since = now();
    }
  }
  return {
    read: (buffer, offset, length, at) => watched(file.read(buffer, offset, length, at)),
    write: (data, offset, length, at) => watched(file.write(data, offset, length, at)),
    sync: () => watched(file.sync()),
    ...(file.digest ? { digest: (at: number, length: number) => watched(file.digest!(at, length)) } : {}),
    silentSince: () => under > 0 ? since : undefined,
  };
}

/** A card to watch: of which node, at which device. */
export type Watched = { readonly node: string; readonly device: string; readonly file: WatchedFile };

/**
 * Tells of cards that stand still, at 30 s and every 30 s more, until `signal` fires: event `card.stalled` {device, seconds}.
 * Never throws: a stalled card is the system's to give up on.
 */
export async function warnOfStalls(host: Host, cards: readonly Watched[], signal: AbortSignal): Promise<void> {
  const told = new Map<Watched, number>();
  while (await host.clock.sleep(LOOK_EVERY_MS, signal).then(() => !signal.aborted, () => false)) {
    for (const card of cards) {
      const since = card.file.silentSince();
      const times = since === undefined ? 0 : Math.floor((host.clock.now() - since) / STALL_MS);
      if (times > (told.get(card) ?? 0)) {
        const seconds = times * STALL_MS / 1000;
        const message = `the card for ${card.node} (${card.device}) has answered nothing for ${seconds} s; if this goes on, pull it out: the others go on`;
        host.emit({ code: 'card.stalled', node: card.node, message, data: { device: card.device, seconds } });
      }
      told.set(card, times);
    }
  }
}
