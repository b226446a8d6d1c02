import type { Host } from '../host.ts';
import { openConnection, type Connection } from './connection.ts';
import { iscsiProblem, type IscsiAddress } from './errors.ts';
import { logIn, type LoggedIn, type MutualChap } from './login.ts';
import { header, op, opcodeOf, type Pdu } from './pdu.ts';

/** What a SCSI command answered: its status byte (0 good, 2 check condition), what it read, and the sense bytes. */
export type ScsiAnswer = { readonly status: number; readonly data: Buffer; readonly sense: Buffer };

/** A SCSI command: its block, its LUN, and the bytes to read at most, or to write. */
export type ScsiCommand = { readonly cdb: Buffer; readonly lun: number; readonly read?: number; readonly write?: Buffer };

/** A logged-in session of one connection. */
export type IscsiSession = {
  readonly to: IscsiAddress;
  /** Whether the target asked for CHAP. */
  readonly chap: boolean;
  command(command: ScsiCommand): Promise<ScsiAnswer>;
  /** A text exchange (`SendTargets=All`); gives the answer's data. */
  text(data: Buffer): Promise<Buffer>;
};

/** How a session is opened. `deadlineMs` holds for connecting and for each answer; 10 s unless told. */
export type SessionOptions = { readonly mutual?: MutualChap; readonly deadlineMs?: number };

/** Logs in, lets `use` work, logs out and hangs up whatever happens. Throws `E_ISCSI_…` and what `use` throws. */
export async function withSession<T>(host: Pick<Host, 'signal' | 'mask'>, to: IscsiAddress, use: (session: IscsiSession) => Promise<T>, options: SessionOptions = {}): Promise<T> {
  for (const secret of [to.secret, options.mutual?.secret]) if (secret !== undefined) host.mask.add(secret);
  const connection = await openConnection(host, to, options.deadlineMs);
  try {
    const login = await logIn(connection, to, options.mutual);
    const wire = createWire(connection, to, login);
    const result = await use({ to, chap: login.chap, command: wire.command, text: wire.text });
    await wire.logOut().catch(() => {});
    return result;
  } finally {
    connection.close();
  }
}

const FINAL = 0x80;
const NONE = 0xffff_ffff;

function createWire(connection: Connection, to: IscsiAddress, login: LoggedIn) {
  let cmdSn = login.cmdSn;
  let expStatSn = login.statSn;
  let tag = 1;

  /** Sends a request that takes a command number. */
  const ask = (head: Buffer, data?: Buffer): void => {
    head.writeUInt32BE(cmdSn, 24);
    head.writeUInt32BE(expStatSn, 28);
    cmdSn = (cmdSn + 1) >>> 0;
    connection.send(head, data);
  };

  /** The next unit that is for us; answers the target's pings on the way. */
  const next = async (): Promise<Pdu> => {
    for (;;) {
      const pdu = await connection.receive();
      const code = opcodeOf(pdu);
      if (code === op.reject) throw iscsiProblem('protocol', to, `the target rejects what we sent (reason ${pdu.header.readUInt8(2)})`);
      if (code === op.asyncMessage && pdu.header.readUInt8(36) !== 0) throw iscsiProblem('portal', to, 'the target asks to log out');
      const carriesStatus = code !== op.readyToTransfer && !(code === op.dataIn && (pdu.header.readUInt8(1) & 1) === 0);
      const ping = code === op.nopIn;
      if (carriesStatus && !(ping && pdu.header.readUInt32BE(16) === NONE)) expStatSn = (pdu.header.readUInt32BE(24) + 1) >>> 0;
      if (ping) answerPing(pdu);
      else if (code !== op.asyncMessage) return pdu;
    }
  };

  const answerPing = (pdu: Pdu): void => {
    if (pdu.header.readUInt32BE(20) === NONE) return;
    const head = header(op.nopOut, FINAL, NONE, true);
    pdu.header.copy(head, 8, 8, 16);
    pdu.header.copy(head, 20, 20, 24);
    head.writeUInt32BE(cmdSn, 24);
    head.writeUInt32BE(expStatSn, 28);
    connection.send(head);
  };

  const command = async ({ cdb, lun, read = 0, write }: ScsiCommand): Promise<ScsiAnswer> => {
    const mine = (tag += 1);
    const head = header(op.command, FINAL | (read > 0 ? 0x40 : 0) | (write ? 0x20 : 0), mine);
    head.writeUInt16BE(lun, 8);
    head.writeUInt32BE(write?.length ?? read, 20);
    cdb.copy(head, 32);
    ask(head);
    const data = Buffer.alloc(read);
    let received = 0;
    for (;;) {
      const pdu = await next();
      if (pdu.header.readUInt32BE(16) !== mine) throw iscsiProblem('protocol', to, 'an answer to a question we did not ask');
      const code = opcodeOf(pdu);
      if (code === op.dataIn) {
        const at = pdu.header.readUInt32BE(40);
        if (at + pdu.data.length > read) throw iscsiProblem('protocol', to, 'more data than we asked for');
        pdu.data.copy(data, at);
        received = Math.max(received, at + pdu.data.length);
        if ((pdu.header.readUInt8(1) & 1) !== 0) return { status: pdu.header.readUInt8(3), data: data.subarray(0, received), sense: Buffer.alloc(0) };
      } else if (code === op.readyToTransfer && write) {
        sendData(pdu, mine, write);
      } else if (code === op.response) {
        if (pdu.header.readUInt8(2) !== 0) throw iscsiProblem('protocol', to, `the target failed a command (response ${pdu.header.readUInt8(2)})`);
        const sense = pdu.data.length >= 2 ? Buffer.from(pdu.data.subarray(2, 2 + pdu.data.readUInt16BE(0))) : Buffer.alloc(0);
        return { status: pdu.header.readUInt8(3), data: data.subarray(0, received), sense };
      } else {
        throw iscsiProblem('protocol', to, `an answer of a kind we did not expect (0x${code.toString(16)})`);
      }
    }
  };

  const sendData = (ready: Pdu, mine: number, write: Buffer): void => {
    const start = ready.header.readUInt32BE(40);
    const end = start + ready.header.readUInt32BE(44);
    if (end > write.length || end <= start) throw iscsiProblem('protocol', to, 'the target asks for data that is not ours to give');
    let piece = 0;
    for (let at = start; at < end; at += login.largestSend, piece += 1) {
      const upto = Math.min(at + login.largestSend, end);
      const head = header(op.dataOut, upto === end ? FINAL : 0, mine);
      ready.header.copy(head, 8, 8, 16);
      ready.header.copy(head, 20, 20, 24);
      head.writeUInt32BE(expStatSn, 28);
      head.writeUInt32BE(piece, 36);
      head.writeUInt32BE(at, 40);
      connection.send(head, write.subarray(at, upto));
    }
  };

  const text = async (data: Buffer): Promise<Buffer> => {
    const parts: Buffer[] = [];
    const mine = (tag += 1);
    let transfer = NONE;
    for (;;) {
      const head = header(op.text, FINAL, mine);
      head.writeUInt32BE(transfer, 20);
      ask(head, parts.length === 0 ? data : undefined);
      const pdu = await next();
      if (opcodeOf(pdu) !== op.textResponse) throw iscsiProblem('protocol', to, 'no answer to a text request');
      parts.push(Buffer.from(pdu.data));
      transfer = pdu.header.readUInt32BE(20);
      if ((pdu.header.readUInt8(1) & FINAL) !== 0 || transfer === NONE) return Buffer.concat(parts);
      if (parts.length > 64) throw iscsiProblem('protocol', to, 'a list of targets without end');
    }
  };

  const logOut = async (): Promise<void> => {
    ask(header(op.logout, FINAL, (tag += 1), true));
    while (opcodeOf(await next()) !== op.logoutResponse);
  };

  return { command, text, logOut };
}
