import { iscsiProblem, type IscsiAddress } from './errors.ts';
import type { LoggedIn } from './login.ts';
import { FINAL, header, op, opcodeOf, writeLun, type Pdu } from './pdu.ts';
import type { Exchange, Wire } from './wire.ts';

/** What a SCSI command answered: its status byte (0 good, 2 check condition), what it read, and the sense bytes. */
export type ScsiAnswer = { readonly status: number; readonly data: Buffer; readonly sense: Buffer };

/** A SCSI command: its block, its LUN, and the bytes to read at most, or to write. */
export type ScsiCommand = { readonly cdb: Buffer; readonly lun: number; readonly read?: number; readonly write?: Buffer };

const NOTHING = Buffer.alloc(0);

/** The exchange of one SCSI command (RFC 7143, 11.3 to 11.8): data with it and before it is asked for as agreed, then as the target asks. */
export function runCommand(wire: Wire, to: IscsiAddress, login: LoggedIn, { cdb, lun, read = 0, write }: ScsiCommand): Exchange<ScsiAnswer> {
  const data = Buffer.alloc(read);
  let received = 0;
  const wrong = (what: string): never => {
    throw iscsiProblem('protocol', to, what);
  };

  const sendData = (tag: number, transfer: Buffer, start: number, end: number): void => {
    for (let at = start, piece = 0; at < end; piece += 1) {
      const upto = Math.min(at + login.largestSend, end);
      const head = header(op.dataOut, upto === end ? FINAL : 0, tag);
      writeLun(head, lun);
      transfer.copy(head, 20);
      head.writeUInt32BE(piece, 36);
      head.writeUInt32BE(at, 40);
      wire.tell(head, write?.subarray(at, upto));
      at = upto;
    }
  };
  const takeData = (pdu: Pdu): void => {
    const at = pdu.header.readUInt32BE(40);
    if (at !== received) wrong('data out of order, or a piece is missing');
    if (at + pdu.data.length > read) wrong('more data than we asked for');
    pdu.data.copy(data, at);
    received += pdu.data.length;
  };
  const answer = (pdu: Pdu, sense: Buffer): ScsiAnswer => {
    const status = pdu.header.readUInt8(3);
    const missing = (pdu.header.readUInt8(1) & 0x02) !== 0 ? pdu.header.readUInt32BE(44) : 0;
    if (status === 0 && read > 0 && received !== read - missing) wrong('less data than the target says it sent');
    return { status, data: data.subarray(0, received), sense };
  };

  return {
    begin(tag) {
      const total = write?.length ?? 0;
      const atOnce = Math.min(total, login.firstBurst);
      const within = login.immediate ? Math.min(atOnce, login.largestSend) : 0;
      const after = login.unsolicited ? atOnce : within;
      const head = header(op.command, (after > within ? 0 : FINAL) | (read > 0 ? 0x40 : 0) | (write ? 0x20 : 0), tag);
      writeLun(head, lun);
      head.writeUInt32BE(write ? total : read, 20);
      cdb.copy(head, 32);
      wire.ask(head, write?.subarray(0, within));
      sendData(tag, Buffer.from([0xff, 0xff, 0xff, 0xff]), within, after);
    },
    take(pdu) {
      switch (opcodeOf(pdu)) {
        case op.dataIn:
          takeData(pdu);
          return (pdu.header.readUInt8(1) & 1) !== 0 ? answer(pdu, NOTHING) : undefined;
        case op.readyToTransfer: {
          const start = pdu.header.readUInt32BE(40);
          const end = start + pdu.header.readUInt32BE(44);
          if (!write || end > write.length || end <= start) wrong('the target asks for data that is not ours to give');
          sendData(pdu.header.readUInt32BE(16), pdu.header.subarray(20, 24), start, end);
          return undefined;
        }
        case op.response: {
          if (pdu.header.readUInt8(2) !== 0) wrong(`the target failed a command (response ${pdu.header.readUInt8(2)})`);
          const length = pdu.data.length >= 2 ? pdu.data.readUInt16BE(0) : 0;
          return answer(pdu, pdu.data.subarray(2, 2 + length));
        }
        default:
          return wrong(`an answer of a kind we did not expect (0x${opcodeOf(pdu).toString(16)})`);
      }
    },
  };
}
