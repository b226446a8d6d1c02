import { randomBytes } from 'node:crypto';
import { pack } from '../wire/messages.ts';
import type { Message } from '../wire/codec.ts';

/** An event as the Events call sends it, already encoded. */
export type LoggedEvent = { readonly id: string; readonly actor: string; readonly at: number; readonly bytes: Uint8Array };

/** The machine's events. */
export type EventLog = {
  /** Adds an event of a message type of package `machine` (`ServiceStateEvent`, …). */
  add(type: string, payload: Message, actor?: string): void;
  all(): readonly LoggedEvent[];
  /** Hears of every later event, until the returned function is called. */
  follow(hear: (event: LoggedEvent) => void): () => void;
};

const KEPT = 1000;

// Talos numbers events with xids: twelve bytes in base32hex.
function eventId(counter: number): string {
  const bytes = Buffer.concat([Buffer.alloc(4), randomBytes(5), Buffer.alloc(3)]);
  bytes.writeUInt32BE(Math.floor(Date.now() / 1000), 0);
  bytes.writeUIntBE(counter % 0xffffff, 9, 3);
  const digits = '0123456789abcdefghijklmnopqrstuv';
  let value = BigInt(`0x${bytes.toString('hex')}`) << 4n;
  let out = '';
  for (let i = 0; i < 20; i += 1, value >>= 5n) out = digits[Number(value & 31n)]! + out;
  return out;
}

/** Makes an empty event log; the oldest of a thousand events fall out. */
export function createEventLog(): EventLog {
  const kept: LoggedEvent[] = [];
  const followers = new Set<(event: LoggedEvent) => void>();
  let counter = 0;
  return {
    add: (type, payload, actor = '') => {
      counter += 1;
      const id = eventId(counter);
      const data = { type_url: `talos/runtime/machine.${type}`, value: pack(type, payload) };
      const event = { id, actor, at: Date.now(), bytes: pack('Event', { data, id, actor_id: actor }) };
      kept.push(event);
      if (kept.length > KEPT) kept.shift();
      for (const hear of followers) hear(event);
    },
    all: () => kept,
    follow: (hear) => {
      followers.add(hear);
      return () => void followers.delete(hear);
    },
  };
}
