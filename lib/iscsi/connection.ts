import { connect, type Socket } from 'node:net';
import type { Host } from '../host.ts';
import { iscsiProblem, type IscsiAddress } from './errors.ts';
import { createReader, encode, type Pdu } from './pdu.ts';

/** A TCP connection that carries protocol data units. */
export type Connection = {
  send(header: Buffer, data?: Buffer): void;
  /** The next unit; waits without end where `deadlineMs` is left out. Throws what `close` was given, the abort, `E_ISCSI_PORTAL` (late, hung up, not iSCSI). */
  receive(deadlineMs?: number): Promise<Pdu>;
  /** Hangs up; a `receive` under way throws `why`. `hard` resets the connection, as when power is cut. */
  close(why?: unknown, hard?: boolean): void;
};

/** Milliseconds that a portal may take to connect, and for each answer. */
export const ANSWER_MS = 10_000;

const MOST_WAITING = 64;

/** Connects to the portal. Throws `E_ISCSI_CONNECT`, or the abort. `deadlineMs` holds for connecting. */
export async function openConnection(host: Pick<Host, 'signal'>, to: IscsiAddress, deadlineMs = ANSWER_MS): Promise<Connection> {
  host.signal.throwIfAborted();
  const socket = await openSocket(host, to, deadlineMs);
  const reader = createReader();
  const waiting: Pdu[] = [];
  let over: { readonly why: unknown } | undefined;
  let wake = (): void => {};

  const end = (why: unknown): void => {
    over ??= { why };
    host.signal.removeEventListener('abort', abort);
    wake();
  };
  const close = (why: unknown = new Error('the session is over'), hard = false): void => {
    end(why);
    if (hard) socket.resetAndDestroy();
    else socket.destroy();
  };
  const abort = (): void => close(host.signal.reason);
  socket.on('data', (part: Buffer) => {
    reader.push(part);
    try {
      for (let pdu = reader.take(); pdu; pdu = reader.take()) waiting.push(pdu);
    } catch (error) {
      close(iscsiProblem('portal', to, 'what answers there does not speak iSCSI', error));
    }
    if (waiting.length > MOST_WAITING) socket.pause();
    wake();
  });
  socket.on('error', (error) => end(iscsiProblem('portal', to, `no answer: ${reason(error)}`)));
  socket.on('close', () => end(iscsiProblem('portal', to, 'no answer: the portal hung up')));
  host.signal.addEventListener('abort', abort, { once: true });
  return {
    close,
    send(header, data) {
      if (!socket.writable) return; // the next receive tells why
      socket.cork();
      for (const part of encode(header, data)) socket.write(part);
      socket.uncork();
    },
    async receive(answerMs) {
      const late = (): void => close(iscsiProblem('portal', to, `no answer within ${seconds(answerMs ?? 0)}`));
      const timer = answerMs === undefined ? undefined : setTimeout(late, answerMs);
      try {
        for (;;) {
          const pdu = waiting.shift();
          if (pdu) {
            if (waiting.length === 0) socket.resume();
            return pdu;
          }
          if (over) throw over.why;
          await new Promise<void>((resolve) => { wake = resolve; });
        }
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function openSocket(host: Pick<Host, 'signal'>, to: IscsiAddress, deadlineMs: number): Promise<Socket> {
  const at = to.portal.lastIndexOf(':');
  const address = to.portal.slice(0, at).replace(/^\[|\]$/g, '');
  const port = Number(to.portal.slice(at + 1));
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true, ...(to.from === undefined ? {} : { localAddress: to.from }) });
    const settle = (): void => {
      clearTimeout(timer);
      host.signal.removeEventListener('abort', abort);
    };
    const fail = (error: unknown): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const abort = (): void => fail(host.signal.reason);
    const refused = (error: Error): void => fail(iscsiProblem('connect', to, `can’t connect: ${reason(error)}`, error));
    const timer = setTimeout(() => fail(iscsiProblem('connect', to, `no connection within ${seconds(deadlineMs)}`)), deadlineMs);
    host.signal.addEventListener('abort', abort, { once: true });
    socket.once('error', refused);
    socket.once('connect', () => {
      settle();
      socket.removeListener('error', refused);
      resolve(socket);
    });
  });
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

function reason(error: Error): string {
  return String((error as { code?: unknown }).code ?? error.message);
}
