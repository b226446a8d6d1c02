import { setTimeout } from 'node:timers/promises';
import { iscsiProblem } from './errors.ts';
import type { ScsiAnswer, ScsiCommand } from './command.ts';
import { readLun } from './pdu.ts';
import type { IscsiSession } from './session.ts';

/** What INQUIRY says of a logical unit. `disk` is true for a direct-access device that is there. */
export type Inquiry = { readonly disk: boolean; readonly vendor: string; readonly product: string };

/** The size of a disk: `blocks` of `blockBytes` each. */
export type Capacity = { readonly blocks: number; readonly blockBytes: number };

const GOOD = 0;
const CHECK = 2;
/** BUSY and TASK SET FULL: asked again a little later. */
const LATER = new Set([0x08, 0x28]);
const UNIT_ATTENTION = 6;
const LARGEST_PIECE = 262_144;
const MOST_TRIES = 5;

/** The logical units that the target shows to us. Throws `E_ISCSI_LUN`. */
export async function reportLuns(session: IscsiSession): Promise<readonly number[]> {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0xa0;
  cdb.writeUInt32BE(4096, 6);
  const { data } = await good(session, { cdb, lun: 0, read: 4096 });
  const listed = data.length < 8 ? 0 : Math.min(data.readUInt32BE(0), data.length - 8) / 8;
  return Array.from({ length: Math.floor(listed) }, (_, at) => readLun(data, 8 + at * 8));
}

/** Standard INQUIRY. Throws `E_ISCSI_LUN`. */
export async function inquiry(session: IscsiSession, lun: number): Promise<Inquiry> {
  const { data } = await good(session, { cdb: inquiryBlock(0, false), lun, read: 255 });
  if (data.length < 36) throw iscsiProblem('lun', session.to, `LUN ${lun} says too little of itself`);
  return { disk: data.readUInt8(0) === 0, vendor: words(data.subarray(8, 16)), product: words(data.subarray(16, 32)) };
}

/** The unit serial number (INQUIRY page 0x80), on a Synology the LUN's uuid. Throws `E_ISCSI_LUN`. */
export async function serialNumber(session: IscsiSession, lun: number): Promise<string> {
  const { data } = await good(session, { cdb: inquiryBlock(0x80, true), lun, read: 255 });
  if (data.length < 4) throw iscsiProblem('lun', session.to, `LUN ${lun} does not tell its serial number`);
  return words(data.subarray(4, 4 + data.readUInt16BE(2)));
}

/** READ CAPACITY(16). Throws `E_ISCSI_LUN`. */
export async function readCapacity(session: IscsiSession, lun: number): Promise<Capacity> {
  const cdb = Buffer.alloc(16);
  cdb.writeUInt16BE(0x9e10, 0);
  cdb.writeUInt32BE(32, 10);
  const { data } = await good(session, { cdb, lun, read: 32 });
  if (data.length < 12) throw iscsiProblem('lun', session.to, `LUN ${lun} does not tell its size`);
  return { blocks: Number(data.readBigUInt64BE(0)) + 1, blockBytes: data.readUInt32BE(8) };
}

/** Reads `count` blocks from block `first` on with READ(16). Throws `E_ISCSI_LUN`. */
export async function readBlocks(session: IscsiSession, lun: number, first: number, count: number, blockBytes = 512): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const piece of pieces(first, count, blockBytes)) {
    const { data } = await good(session, { cdb: blockCommand(0x88, piece), lun, read: piece.count * blockBytes });
    if (data.length !== piece.count * blockBytes) throw iscsiProblem('lun', session.to, `LUN ${lun} gave less than was asked for`);
    parts.push(data);
  }
  return Buffer.concat(parts);
}

/** Writes whole blocks from block `first` on with WRITE(16), and makes them durable with SYNCHRONIZE CACHE. Throws `E_ISCSI_LUN`. */
export async function writeBlocks(session: IscsiSession, lun: number, first: number, data: Buffer, blockBytes = 512): Promise<void> {
  if (data.length % blockBytes !== 0) throw new RangeError(`${data.length} bytes are not whole blocks of ${blockBytes}`);
  for (const piece of pieces(first, data.length / blockBytes, blockBytes)) {
    const start = (piece.first - first) * blockBytes;
    await good(session, { cdb: blockCommand(0x8a, piece), lun, write: data.subarray(start, start + piece.count * blockBytes) });
  }
  await good(session, { cdb: blockCommand(0x91, { first: 0, count: 0 }), lun });
}

/** Asks again while the unit reports what happened before us (UNIT ATTENTION) or is busy, at most five times. */
async function good(session: IscsiSession, command: ScsiCommand): Promise<ScsiAnswer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await session.command(command);
    if (answer.status === GOOD) return answer;
    const attention = answer.status === CHECK && senseOf(answer.sense).key === UNIT_ATTENTION;
    if (tries === MOST_TRIES || !attention && !LATER.has(answer.status)) throw iscsiProblem('lun', session.to, `LUN ${command.lun}: ${told(answer)}`);
    if (!attention) await setTimeout(tries * 100);
  }
}

/** Additional sense codes (SPC-4, annex D) that say what to look at. */
const SENSES: Readonly<Record<number, string>> = {
  0x0400: 'it is not ready', 0x2100: 'there are no such blocks on it', 0x2500: 'there is no such logical unit', 0x2700: 'it is write-protected', 0x3a00: 'it has no medium',
};

function told(answer: ScsiAnswer): string {
  if (answer.status === 0x18) return 'another host has reserved it';
  if (LATER.has(answer.status)) return 'it stays busy';
  if (answer.status !== CHECK) return `it refuses a command (status 0x${answer.status.toString(16)})`;
  const { key, code } = senseOf(answer.sense);
  return `${SENSES[code] ?? 'it refuses a command'} (sense ${key}, 0x${code.toString(16).padStart(4, '0')})`;
}

/** Sense key and additional code, of the fixed (0x70) or the descriptor form (0x72); zeros where there is none. */
function senseOf(sense: Buffer): { readonly key: number; readonly code: number } {
  const descriptor = ((sense[0] ?? 0) & 0x7e) === 0x72;
  const [key = 0, high = 0, low = 0] = descriptor ? sense.subarray(1, 4) : [sense[2], sense[12], sense[13]];
  return { key: key & 0xf, code: (high << 8) | low };
}

function inquiryBlock(page: number, vital: boolean): Buffer {
  return Buffer.from([0x12, vital ? 1 : 0, page, 0, 255, 0]);
}

function blockCommand(code: number, piece: { readonly first: number; readonly count: number }): Buffer {
  const cdb = Buffer.alloc(16);
  cdb[0] = code;
  cdb.writeBigUInt64BE(BigInt(piece.first), 2);
  cdb.writeUInt32BE(piece.count, 10);
  return cdb;
}

function* pieces(first: number, count: number, blockBytes: number): Generator<{ readonly first: number; readonly count: number }> {
  const most = Math.max(1, Math.floor(LARGEST_PIECE / blockBytes));
  for (let at = 0; at < count; at += most) yield { first: first + at, count: Math.min(most, count - at) };
}

function words(bytes: Buffer): string {
  return bytes.toString('latin1').replaceAll('\0', ' ').trim();
}
