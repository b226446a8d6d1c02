import { header as newHeader, LARGEST_SEGMENT, NO_TAG, op, readLun } from '../../../lib/iscsi/pdu.ts';
import type { NasState, SessionState } from '../state.ts';
import type { Agreed } from './negotiate.ts';
import type { Unit } from './pdu.ts';
import { execute, sense, type Outcome } from './scsi.ts';

/** The numbers of a connection, and its way out. `stamp` writes ExpCmdSN and MaxCmdSN. */
export type Numbers = {
  stat: number;
  expected: number;
  /** Counts a command; false for a number that is not the next. */
  took(unit: Unit): boolean;
  send(header: Buffer, data?: Buffer): void;
  stamp(header: Buffer): Buffer;
};

/** A write that waits for its data. */
type Task = {
  readonly unit: Unit;
  readonly lun: number;
  readonly cdb: Buffer;
  readonly data: Buffer;
  received: number;
  readySn: number;
  /** The number the next piece of the burst must have. */
  dataSn: number;
};

const MOST_EXPECTED = 16 * 1024 * 1024;
/** ABORTED COMMAND, PROTOCOL SERVICE CRC ERROR: what RFC 7143 (6.7) wants for a lost piece of data. */
const PIECE_LOST: Outcome = sense(0x0b, 0x4705);
const LUN_RESETS = new Set([5, 6, 7]);

/** The SCSI commands of one session (a discovery has none): takes commands and data, asks for more data, answers. */
export function createTasks(state: NasState, numbers: Numbers, agreed: Agreed, session: SessionState | undefined) {
  const open = new Map<number, Task>();

  const command = async (unit: Unit): Promise<void> => {
    const cdb = Buffer.from(unit.header.subarray(32, 48));
    const expected = unit.header.readUInt32BE(20);
    const lun = readLun(unit.header);
    const writes = (unit.flags & 0x20) !== 0;
    if (!writes || expected === 0) return finish(unit, expected, await run(lun, cdb, Buffer.alloc(0)));
    if (expected > MOST_EXPECTED) return finish(unit, expected, { status: 8 });
    const task: Task = { unit, lun, cdb, data: Buffer.alloc(expected), received: 0, readySn: 0, dataSn: 0 };
    open.set(unit.tag, task);
    take(task, 0, unit.data);
    // Without the final bit unsolicited data follow; else the rest is asked for.
    if ((unit.flags & 0x80) !== 0) await goOn(task);
  };

  const dataOut = async (unit: Unit): Promise<void> => {
    const task = open.get(unit.tag);
    if (!task) return;
    if (unit.header.readUInt32BE(36) !== task.dataSn) {
      open.delete(unit.tag);
      return finish(task.unit, task.data.length, PIECE_LOST);
    }
    task.dataSn += 1;
    take(task, unit.header.readUInt32BE(40), unit.data);
    if ((unit.flags & 0x80) !== 0) await goOn(task);
  };

  const take = (task: Task, at: number, data: Buffer): void => {
    if (at + data.length > task.data.length) return;
    data.copy(task.data, at);
    task.received = Math.max(task.received, at + data.length);
  };

  const goOn = async (task: Task): Promise<void> => {
    if (task.received < task.data.length) return askForMore(task);
    open.delete(task.unit.tag);
    finish(task.unit, task.data.length, await run(task.lun, task.cdb, task.data));
  };

  const askForMore = (task: Task): void => {
    const length = Math.min(agreed.maxBurst, task.data.length - task.received);
    const header = newHeader(op.readyToTransfer, 0x80, task.unit.tag);
    task.unit.header.copy(header, 8, 8, 16);
    header.writeUInt32BE(task.unit.tag === NO_TAG ? 0 : task.unit.tag, 20);
    header.writeUInt32BE(numbers.stat, 24);
    header.writeUInt32BE(task.readySn, 36);
    header.writeUInt32BE(task.received, 40);
    header.writeUInt32BE(length, 44);
    task.readySn += 1;
    task.dataSn = 0;
    numbers.send(numbers.stamp(header));
  };

  const run = async (lun: number, cdb: Buffer, write: Buffer): Promise<Outcome> => {
    if (!session) return { status: 2 };
    return await execute(state, { session, index: lun, cdb, write });
  };

  /** Sends what was read, in pieces the initiator takes, then the status: with the last piece, or by itself. */
  const finish = (unit: Unit, expected: number, outcome: Outcome): void => {
    const reads = (unit.flags & 0x40) !== 0;
    const data = reads && outcome.data ? outcome.data.subarray(0, expected) : Buffer.alloc(0);
    const moved = reads ? (outcome.data?.length ?? 0) : (outcome.taken ?? 0);
    const residual = expected - moved;
    const residualFlag = residual > 0 ? 0x02 : residual < 0 ? 0x04 : 0;
    const sendable = Math.min(agreed.theirMost, LARGEST_SEGMENT);
    let piece = 0;
    for (let at = 0; at < data.length; piece += 1) {
      const burstEnd = (Math.floor(at / agreed.maxBurst) + 1) * agreed.maxBurst;
      const end = Math.min(at + sendable, burstEnd, data.length);
      const last = end === data.length;
      const header = newHeader(op.dataIn, (last || end === burstEnd ? 0x80 : 0) | (last ? 0x01 | residualFlag : 0), unit.tag);
      header.writeUInt32BE(NO_TAG, 20);
      if (last) status(header, outcome.status, residual);
      header.writeUInt32BE(piece, 36);
      header.writeUInt32BE(at, 40);
      numbers.send(numbers.stamp(header), data.subarray(at, end));
      at = end;
    }
    if (data.length > 0) return;
    const header = newHeader(op.response, 0x80 | residualFlag, unit.tag);
    status(header, outcome.status, residual);
    numbers.send(numbers.stamp(header), outcome.sense && Buffer.concat([Buffer.from([0, outcome.sense.length]), outcome.sense]));
  };

  const status = (header: Buffer, code: number, residual: number): void => {
    header.writeUInt8(code, 3);
    header.writeUInt32BE(numbers.stat, 24);
    header.writeUInt32BE(Math.abs(residual), 44);
    numbers.stat = (numbers.stat + 1) >>> 0;
  };

  /** Task management: ABORT TASK and the resets are complete at once, as nothing runs beside them; gives the response code. */
  const manage = (unit: Unit): number => {
    const wanted = unit.flags & 0x7f;
    if (wanted === 1) return open.delete(unit.header.readUInt32BE(20)) ? 0 : 1;
    if (wanted === 2 || LUN_RESETS.has(wanted)) {
      open.clear();
      return 0;
    }
    return 5;
  };

  return { command, dataOut, manage };
}
