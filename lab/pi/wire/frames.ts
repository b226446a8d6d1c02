/** Puts gRPC's five-byte prefix (no compression, big-endian length) before a message. */
export function frame(message: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(message.length + 5);
  out[0] = 0;
  out.writeUInt32BE(message.length, 1);
  out.set(message, 5);
  return out;
}

/** Cuts a byte stream into gRPC messages. Throws on a compressed one: nobody here offers compression. */
export async function* messagesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    while (held.length >= 5 && held.length >= 5 + held.readUInt32BE(1)) {
      if (held[0] !== 0) throw new Error('compressed gRPC message');
      const end = 5 + held.readUInt32BE(1);
      yield held.subarray(5, end);
      held = held.subarray(end);
    }
  }
}

/** A status message as gRPC sends it in a header: UTF-8, percent-encoded outside printable ASCII. */
export function encodeStatusMessage(text: string): string {
  return [...Buffer.from(text, 'utf8')]
    .map((byte) => (byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`))
    .join('');
}

/** The reverse of `encodeStatusMessage`; text that is no valid encoding is given as it came. */
export function decodeStatusMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
