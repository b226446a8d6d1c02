/** The opcodes of RFC 7143. */
export const op = {
  nopOut: 0x00, command: 0x01, task: 0x02, login: 0x03, text: 0x04, dataOut: 0x05, logout: 0x06,
  nopIn: 0x20, response: 0x21, taskResponse: 0x22, loginResponse: 0x23, textResponse: 0x24, dataIn: 0x25, logoutResponse: 0x26,
  readyToTransfer: 0x31, asyncMessage: 0x32, reject: 0x3f,
} as const;

/** One protocol data unit: its 48-byte header and its data. Digests are never negotiated, so there are none. */
export type Pdu = { readonly header: Buffer; readonly data: Buffer };

/** The largest data segment that is taken; declared as MaxRecvDataSegmentLength. */
export const LARGEST_SEGMENT = 262_144;

/** The tag that stands for "none". */
export const NO_TAG = 0xffff_ffff;

/** The bit that ends a sequence (F), or moves a login on (T). */
export const FINAL = 0x80;

/** An empty header with its opcode, flags and task tag; `immediate` sets the I bit. */
export function header(opcode: number, flags: number, tag: number, immediate = false): Buffer {
  const bytes = Buffer.alloc(48);
  bytes[0] = opcode | (immediate ? 0x40 : 0);
  bytes[1] = flags;
  bytes.writeUInt32BE(tag, 16);
  return bytes;
}

/** What goes onto the wire, uncopied: header with the data's length, data, padding to four bytes. */
export function encode(head: Buffer, data?: Buffer): readonly Buffer[] {
  if (!data || data.length === 0) return [head];
  head.writeUIntBE(data.length, 5, 3);
  const pad = -data.length & 3;
  return pad === 0 ? [head, data] : [head, data, Buffer.alloc(pad)];
}

/** Cuts a stream of bytes into units, however they arrive. */
export type Reader = {
  push(bytes: Buffer): void;
  /** The next whole unit, sliced from what was pushed, or undefined until more comes. Throws a RangeError for a segment over `LARGEST_SEGMENT`. */
  take(): Pdu | undefined;
};

/** A reader without bytes. Parts are joined once their header and once their unit are whole, never on each arrival. */
export function createReader(): Reader {
  let parts: Buffer[] = [];
  let held = 0;
  let wanted = 48;
  const joined = (): Buffer => {
    const whole = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts, held);
    parts = [whole];
    return whole;
  };
  return {
    push(bytes) {
      if (bytes.length === 0) return;
      parts.push(bytes);
      held += bytes.length;
    },
    take() {
      if (held < wanted) return undefined;
      const bytes = joined();
      const start = 48 + bytes.readUInt8(4) * 4; // additional header segments are skipped
      const length = bytes.readUIntBE(5, 3);
      if (length > LARGEST_SEGMENT) throw new RangeError(`a data segment of ${length} bytes`);
      wanted = start + length + (-length & 3);
      if (held < wanted) return undefined;
      const rest = bytes.subarray(wanted);
      parts = rest.length === 0 ? [] : [rest];
      held = rest.length;
      wanted = 48;
      return { header: bytes.subarray(0, 48), data: bytes.subarray(start, start + length) };
    },
  };
}

/** The opcode without the immediate bit. */
export function opcodeOf(pdu: Pdu): number {
  return pdu.header.readUInt8(0) & 0x3f;
}

/** Text keys as `key=value` with a zero byte after each. */
export function encodeText(pairs: Iterable<readonly [string, string]>): Buffer {
  return Buffer.from([...pairs].map(([key, value]) => `${key}=${value}\0`).join(''), 'utf8');
}

/** The pairs of a text, in order; a key may come twice (SendTargets). What has no `=` is left out. */
export function decodeText(data: Buffer): readonly (readonly [string, string])[] {
  return data.toString('utf8').split('\0').filter((pair) => pair.indexOf('=') > 0).map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
}

/** Writes the LUN number into a header, in one level: peripheral below 256, flat above (SAM-5, 4.7). */
export function writeLun(head: Buffer, lun: number): void {
  head.writeUInt16BE(lun < 256 ? lun : 0x4000 | lun, 8);
}

/** The LUN number at a place in the bytes, of one level. */
export function readLun(bytes: Buffer, at = 8): number {
  return bytes.readUInt16BE(at) & 0x3fff;
}
