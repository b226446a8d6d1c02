import { createHash } from 'node:crypto';

/** Bytes of one copy of a META block (siderolabs/go-adv:adv/talos/talos.go). */
export const ADV_BYTES = 256 * 1024;

/** Bytes of META in its partition: two copies, back to back, from the partition's first byte. */
export const META_BYTES = 2 * ADV_BYTES;

const MAGIC_START = 0x5a4b3c2d;
const MAGIC_END = 0xa5b4c3d2;
const DATA_END = ADV_BYTES - 36;
const SUM_END = ADV_BYTES - 4;

/**
 * META's two copies as Talos writes them: big-endian magic, then tag, size and value of each key (in ascending order), zeros,
 * a SHA-256 over the block with its own place zeroed, the closing magic. Keys are 1…255, values UTF-8.
 * Throws a RangeError for another key or for values that do not fit in 256 KiB.
 */
export function encodeMeta(values: ReadonlyMap<number, string>): Buffer {
  const block = Buffer.alloc(ADV_BYTES);
  block.writeUInt32BE(MAGIC_START, 0);
  block.writeUInt32BE(MAGIC_END, SUM_END);
  let at = 4;
  for (const [key, text] of [...values].sort(([a], [b]) => a - b)) {
    if (!Number.isInteger(key) || key < 1 || key > 255) throw new RangeError(`META key ${key} is not within 1…255`);
    const value = Buffer.from(text);
    if (at + 8 + value.length > DATA_END) throw new RangeError('the META values do not fit in 256 KiB');
    block.writeUInt32BE(key, at);
    block.writeUInt32BE(value.length, at + 4);
    value.copy(block, at + 8);
    at += 8 + value.length;
  }
  createHash('sha256').update(block).digest().copy(block, DATA_END);
  return Buffer.concat([block, block]);
}

/**
 * The keys in META's bytes (at least the first copy), from the first copy whose magics and checksum are right; undefined
 * where neither is: a fresh, empty or damaged META. Never throws.
 */
export function decodeMeta(bytes: Uint8Array): Map<number, string> | undefined {
  for (const start of [0, ADV_BYTES]) {
    if (bytes.length < start + ADV_BYTES) return undefined;
    const values = decodeCopy(Buffer.from(bytes.subarray(start, start + ADV_BYTES)));
    if (values) return values;
  }
  return undefined;
}

function decodeCopy(block: Buffer): Map<number, string> | undefined {
  if (block.readUInt32BE(0) !== MAGIC_START || block.readUInt32BE(SUM_END) !== MAGIC_END) return undefined;
  const sum = Buffer.from(block.subarray(DATA_END, SUM_END));
  block.fill(0, DATA_END, SUM_END);
  if (!createHash('sha256').update(block).digest().equals(sum)) return undefined;
  const values = new Map<number, string>();
  for (let at = 4; at + 8 <= DATA_END;) {
    const key = block.readUInt32BE(at);
    if (key === 0) break;
    const size = block.readUInt32BE(at + 4);
    if (at + 8 + size > DATA_END) return undefined;
    values.set(key, block.toString('utf8', at + 8, at + 8 + size));
    at += 8 + size;
  }
  return values;
}
