import { connect, type Socket } from 'node:net';
import { FirstlightError } from '../errors.ts';
import type { Host } from '../host.ts';
import { iscsiProblem, type IscsiAddress } from './errors.ts';
import { decode, encode, type Pdu } from './pdu.ts';

/** A TCP connection that carries protocol data units. */
export type Connection = {
  send(header: Buffer, data?: Buffer): void;
  /** The next unit. Throws `E_ISCSI_PORTAL` when none comes in time or the portal hangs up, `E_ISCSI_PROTOCOL` for nonsense, or the abort. */
  receive(): Promise<Pdu>;
  close(): void;
};

/** Milliseconds that a portal may take to connect, and for each answer. */
export const ANSWER_MS = 10_000;

/** Connects to the portal. Throws `E_ISCSI_CONNECT`, or the abort. `deadlineMs` holds for connecting and for each answer. */
export async function openConnection(host: Pick<Host, 'signal'>, to: IscsiAddress, deadlineMs = ANSWER_MS): Promise<Connection> {
  host.signal.throwIfAborted();
  const socket = await openSocket(host, to, deadlineMs);
  const waiting: { wake: (() => void) | undefined } = { wake: undefined };
  let bytes = Buffer.alloc(0);
  let ended: Error | undefined;
  const wake = (): void => waiting.wake?.();
  socket.on('data', (part: Buffer) => { bytes = bytes.length === 0 ? Buffer.from(part) : Buffer.concat([bytes, part]); wake(); });
  socket.on('error', (error) => { ended ??= error; wake(); });
  socket.on('close', () => { ended ??= new Error('the portal hung up'); wake(); });
  const abort = (): void => wake();
  host.signal.addEventListener('abort', abort);
  return {
    send: (header, data) => void socket.write(encode(header, data)),
    async receive() {
      let late = false;
      const timer = setTimeout(() => { late = true; wake(); }, deadlineMs);
      try {
        for (;;) {
          host.signal.throwIfAborted();
          const next = taken(bytes, to);
          if (next) {
            bytes = Buffer.from(next.rest);
            return next.pdu;
          }
          if (ended) throw iscsiProblem('portal', to, `no answer: ${reason(ended)}`);
          if (late) throw iscsiProblem('portal', to, `no answer within ${Math.round(deadlineMs / 1000)} s`);
          await new Promise<void>((resolve) => { waiting.wake = resolve; });
        }
      } finally {
        clearTimeout(timer);
        waiting.wake = undefined;
      }
    },
    close() {
      host.signal.removeEventListener('abort', abort);
      socket.destroy();
    },
  };
}

function openSocket(host: Pick<Host, 'signal'>, to: IscsiAddress, deadlineMs: number): Promise<Socket> {
  const at = to.portal.lastIndexOf(':');
  const address = to.portal.slice(0, at).replace(/^\[|\]$/g, '');
  const port = Number(to.portal.slice(at + 1));
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true });
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      host.signal.removeEventListener('abort', abort);
      socket.destroy();
      reject(error);
    };
    const abort = (): void => fail(host.signal.reason);
    const refused = (error: Error): void => fail(iscsiProblem('connect', to, `can’t connect: ${reason(error)}`, error));
    const timer = setTimeout(() => fail(iscsiProblem('connect', to, `no connection within ${Math.round(deadlineMs / 1000)} s`)), deadlineMs);
    host.signal.addEventListener('abort', abort, { once: true });
    socket.once('error', refused);
    socket.once('connect', () => {
      clearTimeout(timer);
      host.signal.removeEventListener('abort', abort);
      socket.removeListener('error', refused);
      resolve(socket);
    });
  });
}

function taken(bytes: Buffer, to: IscsiAddress): ReturnType<typeof decode> {
  try {
    return decode(bytes);
  } catch (error) {
    throw error instanceof FirstlightError ? error : iscsiProblem('portal', to, 'what answers there does not speak iSCSI', error);
  }
}

function reason(error: Error): string {
  return String((error as { code?: unknown }).code ?? error.message);
}
