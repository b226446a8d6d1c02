import { lunAt, type LunState, type NasState, type SessionState, type TargetState } from '../state.ts';
import { standardInquiry, vitalPage } from './inquiry.ts';
import { noteWrite } from './sessions.ts';

/** A command's end: status byte, what is read, how many bytes its block wanted written, and the sense of a check condition. */
export type Outcome = { readonly status: number; readonly data?: Buffer; readonly taken?: number; readonly sense?: Buffer };

/** Who asks what of which LUN number. `write` is the whole of the data to write. */
export type Request = { readonly session: SessionState; readonly index: number; readonly cdb: Buffer; readonly write: Buffer };

const BLOCK = 512;
const MOST_BLOCKS = 32_768;

/** A check condition with its sense key and additional code. */
export function sense(key: number, code: number): Outcome {
  const bytes = Buffer.alloc(18);
  bytes.set([0x70, 0, key, 0, 0, 0, 0, 10]);
  bytes.writeUInt16BE(code, 12);
  return { status: 2, sense: bytes };
}

function illegal(code: number): Outcome {
  return sense(0x05, code);
}

const NOT_SUPPORTED = 0x2000;
const OUT_OF_RANGE = 0x2100;
const BAD_FIELD = 0x2400;
const NO_LUN = 0x2500;

const PROTECTABLE = new Set([0x28, 0x88, 0x2a, 0x8a]);
/** The bit that says DPO and FUA are known, in a mode header. */
const DPOFUA = 0x10;

/** Runs one SCSI command against the LUN's sparse file. */
export async function execute(state: NasState, request: Request): Promise<Outcome> {
  const { cdb, index, session: { target } } = request;
  const code = cdb.readUInt8(0);
  if (code === 0xa0) return reportLuns(target, cdb.readUInt32BE(6));
  const lun = lunAt(state, target, index);
  if (code === 0x12) return inquiry(lun, cdb);
  if (code === 0x03) return read(sense(0, 0).sense ?? Buffer.alloc(0), cdb.readUInt8(4));
  if (!lun) return illegal(NO_LUN);
  if (PROTECTABLE.has(code) && (cdb.readUInt8(1) & 0xe0) !== 0) return illegal(BAD_FIELD); // protection information: none here
  switch (code) {
    case 0x00: // TEST UNIT READY
    case 0x1b: // START STOP UNIT
    case 0x2f: // VERIFY(10): the data are what the file system says they are
      return { status: 0 };
    case 0x1a:
      return read(modeSense6(cdb), cdb.readUInt8(4));
    case 0x5a:
      return read(modeSense10(cdb), cdb.readUInt16BE(7));
    case 0x25:
      return read(capacity10(lun), 8);
    case 0x9e:
      return (cdb.readUInt8(1) & 0x1f) === 0x10 ? read(capacity16(lun), cdb.readUInt32BE(10)) : illegal(NOT_SUPPORTED);
    case 0x28:
      return await readBlocks(lun, cdb.readUInt32BE(2), cdb.readUInt16BE(7));
    case 0x88:
      return await readBlocks(lun, Number(cdb.readBigUInt64BE(2)), cdb.readUInt32BE(10));
    case 0x2a:
      return await writeBlocks(state, request, lun, cdb.readUInt32BE(2), cdb.readUInt16BE(7));
    case 0x8a:
      return await writeBlocks(state, request, lun, Number(cdb.readBigUInt64BE(2)), cdb.readUInt32BE(10));
    case 0x35: // SYNCHRONIZE CACHE
    case 0x91:
      await lun.file.datasync();
      return { status: 0 };
    default:
      return illegal(NOT_SUPPORTED);
  }
}

function read(data: Buffer, allowed: number): Outcome {
  return { status: 0, data: data.subarray(0, allowed) };
}

function inquiry(lun: LunState | undefined, cdb: Buffer): Outcome {
  const vital = (cdb.readUInt8(1) & 1) !== 0;
  const page = cdb.readUInt8(2);
  const allowed = cdb.readUInt16BE(3);
  if (!vital) return page === 0 ? read(standardInquiry(lun !== undefined), allowed) : illegal(BAD_FIELD);
  if (!lun) return illegal(NO_LUN);
  const data = vitalPage(lun, page);
  return data ? read(data, allowed) : illegal(BAD_FIELD);
}

function reportLuns(target: TargetState, allowed: number): Outcome {
  if (allowed < 16) return illegal(BAD_FIELD);
  const data = Buffer.alloc(8 + target.mapped.length * 8);
  data.writeUInt32BE(target.mapped.length * 8, 0);
  target.mapped.forEach((each, at) => data.writeUInt16BE(each.index, 8 + at * 8));
  return read(data, allowed);
}

/** Page 8 (caching: write cache on, as SYNCHRONIZE CACHE has work to do) and page 10 (control), alone or all. */
function modePages(cdb: Buffer): Buffer {
  const page = cdb.readUInt8(2) & 0x3f;
  const caching = Buffer.alloc(20);
  caching.set([0x08, 0x12, 0x04]);
  const control = Buffer.alloc(12);
  control.set([0x0a, 0x0a]);
  return Buffer.concat([caching, control].filter((each) => page === 0x3f || each.readUInt8(0) === page));
}

function modeSense6(cdb: Buffer): Buffer {
  const pages = modePages(cdb);
  return Buffer.concat([Buffer.from([3 + pages.length, 0, DPOFUA, 0]), pages]);
}

function modeSense10(cdb: Buffer): Buffer {
  const pages = modePages(cdb);
  return Buffer.concat([Buffer.from([0, 6 + pages.length, 0, DPOFUA, 0, 0, 0, 0]), pages]);
}

function capacity10(lun: LunState): Buffer {
  const data = Buffer.alloc(8);
  data.writeUInt32BE(Math.min(lun.bytes / BLOCK - 1, 0xffff_ffff), 0);
  data.writeUInt32BE(BLOCK, 4);
  return data;
}

function capacity16(lun: LunState): Buffer {
  const data = Buffer.alloc(32);
  data.writeBigUInt64BE(BigInt(lun.bytes / BLOCK - 1), 0);
  data.writeUInt32BE(BLOCK, 8);
  return data;
}

function isOutside(lun: LunState, first: number, count: number): boolean {
  return first + count > lun.bytes / BLOCK;
}

async function readBlocks(lun: LunState, first: number, count: number): Promise<Outcome> {
  if (isOutside(lun, first, count)) return illegal(OUT_OF_RANGE);
  if (count > MOST_BLOCKS) return illegal(BAD_FIELD);
  const data = Buffer.alloc(count * BLOCK);
  await lun.file.read(data, 0, data.length, first * BLOCK);
  return { status: 0, data };
}

async function writeBlocks(state: NasState, request: Request, lun: LunState, first: number, count: number): Promise<Outcome> {
  if (isOutside(lun, first, count)) return illegal(OUT_OF_RANGE);
  if (count > MOST_BLOCKS) return illegal(BAD_FIELD);
  // A host may send less than its command says: what came is written, and the rest told as residual.
  const given = Math.min(count, Math.floor(request.write.length / BLOCK));
  if (given > 0) {
    noteWrite(state, request.session, lun, given);
    await lun.file.write(request.write, 0, given * BLOCK, first * BLOCK);
    if ((request.cdb.readUInt8(1) & 0x08) !== 0) await lun.file.datasync(); // force unit access
  }
  return { status: 0, taken: count * BLOCK };
}
