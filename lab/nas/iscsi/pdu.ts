/** Opcodes of RFC 7143, as a target sees them. */
export const op = {
  nopOut: 0x00, command: 0x01, task: 0x02, login: 0x03, text: 0x04, dataOut: 0x05, logout: 0x06,
  nopIn: 0x20, response: 0x21, taskResponse: 0x22, loginResponse: 0x23, textResponse: 0x24, dataIn: 0x25, logoutResponse: 0x26,
  readyToTransfer: 0x31, reject: 0x3f,
} as const;

/** What a target reads of one unit: the fields every opcode has, the header for the rest, and the data. */
export type Unit = {
  readonly opcode: number;
  readonly immediate: boolean;
  readonly flags: number;
  /** The initiator's task tag. */
  readonly tag: number;
  readonly header: Buffer;
  readonly data: Buffer;
};

/** The tag that means "none". */
export const NO_TAG = 0xffff_ffff;

/** The largest data segment we take and declare. */
export const MOST_DATA = 262_144;

/** The units of a stream until it ends. Throws for a segment longer than we declared: such a peer is hung up on. */
export async function* units(stream: AsyncIterable<Buffer>): AsyncGenerator<Unit> {
  let bytes: Buffer = Buffer.alloc(0);
  for await (const part of stream) {
    bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part]);
    for (let size = sizeOf(bytes); size <= bytes.length; size = sizeOf(bytes)) {
      yield unit(bytes);
      bytes = bytes.subarray(size);
    }
  }
}

/** A unit to send: opcode, flags, tag; the caller fills the other fields of the header. */
export function reply(opcode: number, flags: number, tag: number): Buffer {
  const header = Buffer.alloc(48);
  header.writeUInt8(opcode, 0);
  header.writeUInt8(flags, 1);
  header.writeUInt32BE(tag, 16);
  return header;
}

/** Header, data and padding as they go onto the wire. */
export function wire(header: Buffer, data?: Buffer): Buffer {
  if (!data || data.length === 0) return header;
  header.writeUIntBE(data.length, 5, 3);
  const pad = (4 - (data.length % 4)) % 4;
  return Buffer.concat([header, data, Buffer.alloc(pad)]);
}

/** `key=value` pairs of a text segment. */
export function readKeys(data: Buffer): Map<string, string> {
  const keys = new Map<string, string>();
  for (const pair of data.toString('utf8').split('\0')) {
    const at = pair.indexOf('=');
    if (at > 0) keys.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return keys;
}

/** A text segment of pairs. */
export function writeKeys(pairs: Iterable<readonly [string, string]>): Buffer {
  return Buffer.from([...pairs].map(([key, value]) => `${key}=${value}\0`).join(''), 'utf8');
}

function sizeOf(bytes: Buffer): number {
  if (bytes.length < 48) return Number.POSITIVE_INFINITY;
  const data = bytes.readUIntBE(5, 3);
  if (data > MOST_DATA) throw new RangeError('data segment too long');
  return 48 + bytes.readUInt8(4) * 4 + Math.ceil(data / 4) * 4;
}

function unit(bytes: Buffer): Unit {
  const first = bytes.readUInt8(0);
  const start = 48 + bytes.readUInt8(4) * 4;
  return {
    opcode: first & 0x3f, immediate: (first & 0x40) !== 0, flags: bytes.readUInt8(1), tag: bytes.readUInt32BE(16),
    header: bytes.subarray(0, 48), data: bytes.subarray(start, start + bytes.readUIntBE(5, 3)),
  };
}
