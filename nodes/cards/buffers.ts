/** Bytes of a block: what is decoded, hashed, written and read back at once. */
export const BLOCK = 4 * 1024 * 1024;

/** Memory that starts at a page, all zeros: what direct reads and writes need. */
export function alignedBuffer(bytes: number): Buffer {
  // The memory of a WebAssembly instance starts at a page: the one way to aligned memory without native code.
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: new (size: { initial: number }) => { buffer: ArrayBuffer } } }).WebAssembly;
  return Buffer.from(new Memory({ initial: Math.ceil(bytes / 65536) }).buffer, 0, bytes);
}

/** A copy in aligned memory. */
export function alignedCopy(data: Uint8Array): Buffer {
  const copy = alignedBuffer(data.length);
  copy.set(data);
  return copy;
}

/** A block of zeros, aligned. Never written to, it takes no memory: the system shows one page of zeros everywhere. */
export const ZEROS: Buffer = alignedBuffer(BLOCK);

/** Whether all bytes are zero; at most `BLOCK` bytes. */
export function isZero(data: Buffer): boolean {
  return data.equals(ZEROS.subarray(0, data.length));
}

/** Blocks of aligned memory that are used again and again. */
export type Pool = {
  /** A block, as soon as one is free. What it holds is anyone's. */
  take(): Promise<Buffer>;
  /** Gives back a block, or what is left of it. */
  give(block: Buffer): void;
};

/** A pool of `count` aligned blocks of `bytes`, made when they are first needed. */
export function createPool(count: number, bytes = BLOCK): Pool {
  const free: Buffer[] = [];
  const waiting: ((block: Buffer) => void)[] = [];
  let made = 0;
  return {
    take: async () => {
      const block = free.pop();
      if (block) return block;
      if (made >= count) return new Promise((resolve) => { waiting.push(resolve); });
      made += 1;
      return alignedBuffer(bytes);
    },
    give: (block) => {
      const whole = Buffer.from(block.buffer, 0, bytes);
      const next = waiting.shift();
      if (next) next(whole);
      else free.push(whole);
    },
  };
}
