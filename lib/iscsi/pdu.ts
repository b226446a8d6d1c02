/** The opcodes of RFC 7143 that an initiator sends and receives. */
export const op = {
  nopOut: 0x00, command: 0x01, login: 0x03, text: 0x04, dataOut: 0x05, logout: 0x06,
  nopIn: 0x20, response: 0x21, loginResponse: 0x23, textResponse: 0x24, dataIn: 0x25, logoutResponse: 0x26,
  readyToTransfer: 0x31, asyncMessage: 0x32, reject: 0x3f,
} as const;

/** One protocol data unit: its 48-byte header and its data. Digests are never negotiated, so there are none. */
export type Pdu = { readonly header: Buffer; readonly data: Buffer };

/** The largest data segment we accept; we declare it as MaxRecvDataSegmentLength. */
export const LARGEST_SEGMENT = 262_144;

/** An empty header with its opcode, flags and task tag; `immediate` sets the I bit. */
export function header(opcode: number, flags: number, tag: number, immediate = false): Buffer {
  const bytes = Buffer.alloc(48);
  bytes[0] = opcode | (immediate ? 0x40 : 0);
  bytes[1] = flags;
  bytes.writeUInt32BE(tag, 16);
  return bytes;
}

/** The bytes on the wire: header with the data's length, data, padding to four bytes. */
export function encode(head: Buffer, data: Buffer = Buffer.alloc(0)): Buffer {
  head.writeUIntBE(data.length, 5, 3);
  return Buffer.concat([head, data, Buffer.alloc(-data.length & 3)]);
}

/** Takes the first whole unit from the bytes, or gives undefined where more must come. Throws a RangeError for an absurd length. */
export function decode(bytes: Buffer): { readonly pdu: Pdu; readonly rest: Buffer } | undefined {
  if (bytes.length < 48) return undefined;
  const extra = bytes.readUInt8(4) * 4;
  const length = bytes.readUIntBE(5, 3);
  if (length > LARGEST_SEGMENT) throw new RangeError(`a data segment of ${length} bytes`);
  const end = 48 + extra + length + (-length & 3);
  if (bytes.length < end) return undefined;
  const data = bytes.subarray(48 + extra, 48 + extra + length);
  return { pdu: { header: bytes.subarray(0, 48), data }, rest: bytes.subarray(end) };
}

/** The opcode without the immediate bit. */
export function opcodeOf(pdu: Pdu): number {
  return pdu.header.readUInt8(0) & 0x3f;
}

/** Text keys as `key=value` with a zero byte after each. */
export function encodeText(pairs: Readonly<Record<string, string>>): Buffer {
  return Buffer.from(Object.entries(pairs).map(([key, value]) => `${key}=${value}\0`).join(''), 'utf8');
}

/** The pairs of a text, in order; a key may come twice (SendTargets). */
export function decodeText(data: Buffer): readonly (readonly [string, string])[] {
  return data.toString('utf8').split('\0').filter((pair) => pair.includes('=')).map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
}
