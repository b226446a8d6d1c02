import { FINAL, header, NO_TAG, op } from '../../../lib/iscsi/pdu.ts';

/** LIO's `nopin_timeout`, and in such steps its `nopin_response_timeout` of 30 s (targetcli's attributes). */
const PING_MS = 15_000;
const MOST_SILENT = 2;

/** The pings of one session: `heard` is told of each unit that comes in, `stop` ends them. */
export type Pings = { heard(): void; stop(): void };

/**
 * Pings the initiator whenever nothing was heard of it for `everyMs`; one that stays silent for twice as long again is let go
 * of by `lost`: that is how a NAS learns of a board whose power went without a word.
 */
export function startPings(send: (head: Buffer) => void, lost: () => void, everyMs = PING_MS): Pings {
  let quiet = true;
  let silent = 0;
  let transfer = 0;
  const timer = setInterval(() => {
    silent = quiet ? silent + 1 : 0;
    quiet = true;
    if (silent > MOST_SILENT) return lost();
    if (silent !== 1) return;
    const head = header(op.nopIn, FINAL, NO_TAG);
    head.writeUInt32BE((transfer += 1), 20);
    send(head);
  }, everyMs);
  timer.unref();
  return { heard: () => { quiet = false; }, stop: () => clearInterval(timer) };
}
