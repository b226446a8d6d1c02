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
const MISCOMPARE = 0x1d00;

/** What a command on blocks does, by operation code; its block has 10, 12 or 16 bytes (SBC-3, 5). */
const BLOCK_COMMANDS: Readonly<Record<number, { readonly does: 'read' | 'write' | 'write and verify' | 'verify'; readonly form: 10 | 12 | 16 }>> = {
  0x28: { does: 'read', form: 10 }, 0xa8: { does: 'read', form: 12 }, 0x88: { does: 'read', form: 16 },
  0x2a: { does: 'write', form: 10 }, 0xaa: { does: 'write', form: 12 }, 0x8a: { does: 'write', form: 16 },
  0x2e: { does: 'write and verify', form: 10 }, 0xae: { does: 'write and verify', form: 12 }, 0x8e: { does: 'write and verify', form: 16 },
  0x2f: { does: 'verify', form: 10 }, 0xaf: { does: 'verify', form: 12 }, 0x8f: { does: 'verify', form: 16 },
};
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
  if (BLOCK_COMMANDS[code]) return await onBlocks(state, request, lun, BLOCK_COMMANDS[code]);
  switch (code) {
    case 0x00: // TEST UNIT READY
    case 0x1b: // START STOP UNIT
      return { status: 0 };
    case 0x1a:
      return read(modeSense6(cdb), cdb.readUInt8(4));
    case 0x5a:
      return read(modeSense10(cdb), cdb.readUInt16BE(7));
    case 0x25:
      return read(capacity10(lun), 8);
    case 0x9e:
      return (cdb.readUInt8(1) & 0x1f) === 0x10 ? read(capacity16(lun), cdb.readUInt32BE(10)) : illegal(NOT_SUPPORTED);
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

async function onBlocks(state: NasState, request: Request, lun: LunState, { does, form }: (typeof BLOCK_COMMANDS)[number]): Promise<Outcome> {
  const { cdb, write } = request;
  const flags = cdb.readUInt8(1);
  const first = form === 16 ? Number(cdb.readBigUInt64BE(2)) : cdb.readUInt32BE(2);
  const count = form === 16 ? cdb.readUInt32BE(10) : form === 12 ? cdb.readUInt32BE(6) : cdb.readUInt16BE(7);
  if ((flags & 0xe0) !== 0) return illegal(BAD_FIELD); // protection information: none here
  if (first + count > lun.bytes / BLOCK) return illegal(OUT_OF_RANGE);
  if (count > MOST_BLOCKS) return illegal(BAD_FIELD);
  // A host may send less than its command says: what came counts, and the rest is told as residual.
  const given = Math.min(count, Math.floor(write.length / BLOCK));
  if (does === 'read') return { status: 0, data: await contents(lun, first, count) };
  if (does === 'verify') {
    if ((flags & 0x06) === 0) return { status: 0 }; // without BYTCHK: the medium can be read, no more is asked
    const same = (await contents(lun, first, given)).equals(write.subarray(0, given * BLOCK));
    return same ? { status: 0, taken: count * BLOCK } : sense(0x0e, MISCOMPARE);
  }
  if (given > 0) {
    noteWrite(state, request.session, lun, given);
    await lun.file.write(write, 0, given * BLOCK, first * BLOCK);
    if (does === 'write and verify' || (flags & 0x08) !== 0) await lun.file.datasync(); // force unit access
  }
  return { status: 0, taken: count * BLOCK };
}

async function contents(lun: LunState, first: number, count: number): Promise<Buffer> {
  const data = Buffer.alloc(count * BLOCK);
  await lun.file.read(data, 0, data.length, first * BLOCK);
  return data;
}
