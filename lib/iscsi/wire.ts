import { isAbort, FirstlightError } from '../errors.ts';
import type { Connection } from './connection.ts';
import { iscsiProblem, type IscsiAddress } from './errors.ts';
import type { LoggedIn } from './login.ts';
import { FINAL, header, NO_TAG, op, opcodeOf, type Pdu } from './pdu.ts';

/** One request and its answers: `begin` sends it, `take` gets each unit that answers it and gives the result with the last. */
export type Exchange<T> = { begin(tag: number): void; take(pdu: Pdu): T | undefined };

/** A logged-in connection: requests one after another, the target's pings and messages between them. */
export type Wire = {
  /** Waits for its turn and the target's window, then for the answers. Throws `E_ISCSI_RESET`, `_PROTOCOL`, the abort, and what `take` throws; each ends the session. */
  exchange<T>(exchange: Exchange<T>): Promise<T>;
  /** Sends a request that takes a command number; an immediate one carries the next and takes none. */
  ask(head: Buffer, data?: Buffer): void;
  /** Sends a unit that carries no command number (Data-Out). */
  tell(head: Buffer, data?: Buffer): void;
  /** Ends the session here and hangs up; `hard` as when power is cut. */
  end(why: unknown, hard?: boolean): void;
  /** Why it ended. Never rejects. */
  readonly ended: Promise<unknown>;
};

type Waiting = { readonly tag: number; start?: () => void; take(pdu: Pdu): void; reject(error: unknown): void };

/** What a target's asynchronous message means for us (RFC 7143, 11.9): 0 is a SCSI event, told by sense to the next command too. */
const EVENTS: Readonly<Record<number, string>> = {
  1: 'the target asks to log out', 2: 'the target drops the connection', 3: 'the target drops every connection of this session', 4: 'the target wants to negotiate anew',
};

/** Takes over a connection after its login. `answerMs` is how long each answer may take; an idle session waits without end. */
export function createWire(connection: Connection, to: IscsiAddress, login: LoggedIn, answerMs: number): Wire {
  let { cmdSn, maxCmdSn, statSn: expStatSn } = login;
  let tag = 1;
  let current: Waiting | undefined;
  let over: { readonly why: unknown } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let turns: Promise<unknown> = Promise.resolve();
  let tellEnd: (why: unknown) => void = () => {};
  const ended = new Promise<unknown>((resolve) => { tellEnd = resolve; });

  const end = (why: unknown, hard = false): void => {
    if (over) return;
    over = { why };
    clearTimeout(timer);
    connection.close(why, hard);
    current?.reject(why);
    tellEnd(why);
  };
  const patience = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => end(iscsiProblem('reset', to, `the target gave no answer within ${answerMs / 1000} s`)), answerMs);
  };
  const tell = (head: Buffer, data?: Buffer): void => {
    head.writeUInt32BE(expStatSn, 28);
    connection.send(head, data);
  };
  const ask = (head: Buffer, data?: Buffer): void => {
    head.writeUInt32BE(cmdSn, 24);
    if ((head.readUInt8(0) & 0x40) === 0) cmdSn = (cmdSn + 1) >>> 0;
    tell(head, data);
  };
  const open = (): boolean => ((cmdSn - maxCmdSn) | 0) <= 0;

  /** Every unit tells the window; those with status are counted. Gives back what is an answer. */
  const note = (pdu: Pdu): void => {
    const code = opcodeOf(pdu);
    const unnumbered = code === op.readyToTransfer || (code === op.dataIn && (pdu.header.readUInt8(1) & 1) === 0) || (code === op.nopIn && pdu.header.readUInt32BE(16) === NO_TAG);
    if (!unnumbered) expStatSn = (pdu.header.readUInt32BE(24) + 1) >>> 0;
    const window = pdu.header.readUInt32BE(32);
    if (((window - maxCmdSn) | 0) > 0) maxCmdSn = window;
  };
  const dispatch = (pdu: Pdu): void => {
    note(pdu);
    const code = opcodeOf(pdu);
    if (code === op.nopIn) {
      if (pdu.header.readUInt32BE(20) !== NO_TAG) answerPing(pdu);
    } else if (code === op.asyncMessage) {
      const event = pdu.header.readUInt8(36);
      if (event !== 0) leave(event);
    } else if (code === op.reject) {
      end(iscsiProblem('protocol', to, `the target rejects what we sent (reason ${pdu.header.readUInt8(2)})`));
    } else if (!current || current.start || pdu.header.readUInt32BE(16) !== current.tag) {
      end(iscsiProblem('protocol', to, 'an answer to a question we did not ask'));
    } else {
      patience();
      current.take(pdu);
    }
    if (current?.start && open()) current.start();
  };
  const answerPing = (pdu: Pdu): void => {
    const head = header(op.nopOut, FINAL, NO_TAG, true);
    pdu.header.copy(head, 8, 8, 16);
    pdu.header.copy(head, 20, 20, 24);
    ask(head);
  };
  /** Logs out as asked, without waiting for the farewell: what is under way there is lost either way. */
  const leave = (event: number): void => {
    if (event === 1 || event === 4) ask(header(op.logout, FINAL, (tag += 1), true));
    end(iscsiProblem('reset', to, EVENTS[event] ?? `the target sends a message of a kind we do not know (${event})`));
  };

  const pump = async (): Promise<void> => {
    while (!over) dispatch(await connection.receive());
  };
  pump().catch((error: unknown) => end(broken(error, to)));

  const run = <T>({ begin, take }: Exchange<T>): Promise<T> => new Promise<T>((resolve, reject) => {
    if (over) return reject(over.why);
    const settle = (): void => {
      clearTimeout(timer);
      current = undefined;
    };
    const mine: Waiting = {
      tag: (tag += 1),
      start() {
        delete mine.start;
        begin(mine.tag);
      },
      take(pdu) {
        try {
          const result = take(pdu);
          if (result === undefined) return;
          settle();
          resolve(result);
        } catch (error) {
          end(error);
        }
      },
      reject(error) {
        settle();
        reject(error);
      },
    };
    current = mine;
    patience();
    if (open()) mine.start?.();
  });

  return {
    ask, tell, end, ended,
    exchange(exchange) {
      const result = turns.then(() => run(exchange));
      turns = result.catch(() => {});
      return result;
    },
  };
}

/** After the login a connection that ends is a session that broke. */
function broken(error: unknown, to: IscsiAddress): unknown {
  if (isAbort(error) || !(error instanceof FirstlightError) || error.code !== 'E_ISCSI_PORTAL') return error;
  return iscsiProblem('reset', to, error.message.slice(error.message.lastIndexOf(': no answer') + 2), error);
}
