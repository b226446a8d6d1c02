import type { Host } from '../host.ts';
import { ANSWER_MS, openConnection } from './connection.ts';
import { iscsiProblem, type IscsiAddress, type MutualChap } from './errors.ts';
import { logIn, type LoggedIn } from './login.ts';
import { runCommand, type ScsiAnswer, type ScsiCommand } from './command.ts';
import { decodeText, encodeText, FINAL, header, NO_TAG, op, opcodeOf, type Pdu } from './pdu.ts';
import { createWire, type Wire } from './wire.ts';

/** A logged-in session of one connection. What is asked of it at once is done one after another. */
export type IscsiSession = {
  readonly to: IscsiAddress;
  /** Whether the target asked for CHAP. */
  readonly chap: boolean;
  /** Throws `E_ISCSI_RESET` or `_PROTOCOL` where the session ends by it, or has ended. */
  command(command: ScsiCommand): Promise<ScsiAnswer>;
  /** The targets the portal shows (SendTargets): each with its portals as `address:port,group`. */
  sendTargets(): Promise<readonly ShownTarget[]>;
};

/** A session that stays until it is closed, answering the target's pings meanwhile. */
export type HeldSession = IscsiSession & {
  /** Logs out and hangs up. A target that does not answer the logout is hung up on. */
  logOut(): Promise<void>;
  /** Resets the connection without a word, as when the power is cut. */
  drop(): void;
  /** Resolves when the session is over, by whoever: with the error where it broke, undefined after `logOut` and `drop`. */
  readonly ended: Promise<unknown>;
};

/** A target as discovery shows it. */
export type ShownTarget = { readonly iqn: string; readonly portals: readonly string[] };

/** How a session is opened. `deadlineMs` holds for connecting and for each answer; 10 s unless told. */
export type SessionOptions = { readonly mutual?: MutualChap; readonly deadlineMs?: number };

type SessionHost = Pick<Host, 'signal' | 'mask'>;

/** Logs in, lets `use` work, logs out and hangs up whatever happens. Throws `E_ISCSI_…` and what `use` throws. */
export async function withSession<T>(host: SessionHost, to: IscsiAddress, use: (session: IscsiSession) => Promise<T>, options: SessionOptions = {}): Promise<T> {
  const session = await openSession(host, to, options);
  try {
    return await use(session);
  } finally {
    await session.logOut();
  }
}

/**
 * Logs in and leaves the session open until `logOut`, `drop`, the target's end of it, or the host's abort. A redirect is followed
 * once, to a plain address, with everything proven anew. Throws `E_ISCSI_CONNECT`, `_PORTAL`, `_TARGET`, `_AUTH`, `_MUTUAL`, `_ACL`, `_PROTOCOL`.
 */
export async function openSession(host: SessionHost, to: IscsiAddress, options: SessionOptions = {}): Promise<HeldSession> {
  for (const secret of [to.secret, options.mutual?.secret]) if (secret !== undefined) host.mask.add(secret);
  const answerMs = options.deadlineMs ?? ANSWER_MS;
  const first = await enter(host, to, answerMs, options.mutual);
  if (typeof first !== 'string') return hold(to, first.login, first.wire);
  const there = { ...to, portal: first };
  const second = await enter(host, there, answerMs, options.mutual);
  if (typeof second === 'string') throw iscsiProblem('portal', to, `the target moved to ${first}, and from there to ${second}: this goes in a circle`);
  return hold(there, second.login, second.wire);
}

async function enter(host: SessionHost, to: IscsiAddress, answerMs: number, mutual: MutualChap | undefined): Promise<{ readonly login: LoggedIn; readonly wire: Wire } | string> {
  const connection = await openConnection(host, to, answerMs);
  try {
    const login = await logIn(connection, to, answerMs, mutual);
    if (!('movedTo' in login)) return { login, wire: createWire(connection, to, login, answerMs) };
    connection.close();
    return login.movedTo;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function hold(to: IscsiAddress, login: LoggedIn, wire: Wire): HeldSession {
  const over = iscsiProblem('reset', to, 'the session was closed before');
  return {
    to, chap: login.chap,
    command: (command) => wire.exchange(runCommand(wire, to, login, command)),
    sendTargets: () => sendTargets(wire, to),
    async logOut() {
      await wire.exchange({
        begin: (tag) => wire.ask(header(op.logout, FINAL, tag, true)),
        take: (pdu) => (opcodeOf(pdu) === op.logoutResponse ? true : undefined),
      }).catch(() => {});
      wire.end(over);
    },
    drop: () => wire.end(over, true),
    ended: wire.ended.then((why) => (why === over ? undefined : why)),
  };
}

const MOST_PARTS = 64;

async function sendTargets(wire: Wire, to: IscsiAddress): Promise<readonly ShownTarget[]> {
  const parts: Buffer[] = [];
  let transfer = NO_TAG;
  for (let whole = false; !whole;) {
    const reply = await wire.exchange<Pdu>({
      begin(tag) {
        const head = header(op.text, FINAL, tag);
        head.writeUInt32BE(transfer, 20);
        wire.ask(head, parts.length === 0 ? encodeText([['SendTargets', 'All']]) : undefined);
      },
      take: (pdu) => pdu,
    });
    if (opcodeOf(reply) !== op.textResponse) throw iscsiProblem('protocol', to, 'no answer to a text request');
    parts.push(reply.data);
    transfer = reply.header.readUInt32BE(20);
    whole = (reply.header.readUInt8(1) & FINAL) !== 0 || transfer === NO_TAG;
    if (parts.length > MOST_PARTS) throw iscsiProblem('protocol', to, 'a list of targets without end');
  }
  const shown: { iqn: string; portals: string[] }[] = [];
  for (const [key, value] of decodeText(Buffer.concat(parts))) {
    if (key === 'TargetName') shown.push({ iqn: value, portals: [] });
    else if (key === 'TargetAddress') shown.at(-1)?.portals.push(value);
  }
  return shown;
}
