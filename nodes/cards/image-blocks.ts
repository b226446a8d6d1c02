import { open } from 'node:fs/promises';
import { createZstdDecompress, type ZstdDecompress } from 'node:zlib';
import { BLOCK, isZero, ZEROS } from './buffers.ts';
import { corruptImage, missingImage } from './image-errors.ts';
import type { CardImage } from './types.ts';

/** A piece of the raw image, `BLOCK` bytes but for the last; `at` is its place. Where `zero`, `data` is shared memory, not to be changed. */
export type Block = { readonly at: number; readonly data: Buffer; readonly zero: boolean };

/** Gives the memory for a block that is not all zeros. */
type Take = () => Promise<Buffer>;

/**
 * The raw image inside a `.zst` file, block by block, one decode for however many cards. Without `take` the bytes of a block
 * may not be kept past the next one; with it they are in the memory it gave. Blocks of zeros take no memory.
 * Throws `E_IMAGE_CORRUPT` where the file is cut or damaged, `E_IMAGE_MISSING` where it is not there, the signal's abort.
 */
export async function* imageBlocks(image: Pick<CardImage, 'path' | 'given'>, signal: AbortSignal, take: Take = oneBlock()): AsyncGenerator<Block> {
  const decoder = createZstdDecompress({ chunkSize: 1024 * 1024 });
  const fed = feed(image.path, decoder).catch((error: unknown) => { decoder.destroy(error as Error); });
  let at = 0;
  let filled = 0;
  let block: Buffer | undefined;
  const cut = (): Block => ({ at, data: (block ?? ZEROS).subarray(0, filled), zero: block === undefined });
  try {
    for await (const piece of decoder as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      for (let used = 0; used < piece.length;) {
        const part = piece.subarray(used, used + BLOCK - filled);
        if (block === undefined && !isZero(part)) {
          block = await take();
          block.fill(0, 0, filled);
        }
        if (block) part.copy(block, filled);
        used += part.length;
        filled += part.length;
        if (filled < BLOCK) continue;
        yield cut();
        [at, filled, block] = [at + BLOCK, 0, undefined];
      }
      free(piece);
    }
    if (filled > 0) yield cut();
  } catch (error) {
    throw readable(error, image);
  } finally {
    decoder.destroy();
    await fed;
  }
}

/** Gives a file to the decoder through one piece of memory, which a read stream would take anew for each piece. */
async function feed(path: string, decoder: ZstdDecompress): Promise<void> {
  const file = await open(path, 'r');
  try {
    const memory = Buffer.allocUnsafeSlow(256 * 1024);
    for (;;) {
      const { bytesRead } = await file.read(memory, 0, memory.length, null);
      if (bytesRead === 0) break;
      await new Promise<void>((resolve, reject) => {
        decoder.once('close', resolve);
        decoder.write(memory.subarray(0, bytesRead), (error) => { decoder.off('close', resolve); if (error) reject(error); else resolve(); });
      });
    }
    decoder.end();
  } finally {
    await file.close();
  }
}

/**
 * Frees a piece of the decoder's memory now; the garbage collector would let 60 MiB gather first. Only where the piece ends its
 * memory: the decoder has no room left in it and takes new memory for what follows.
 */
function free(piece: Buffer): void {
  const { buffer, byteOffset, length } = piece;
  if (buffer instanceof ArrayBuffer && byteOffset + length === buffer.byteLength) buffer.transfer(0);
}

function oneBlock(): Take {
  const block = Buffer.allocUnsafeSlow(BLOCK);
  return async () => block;
}

function readable(error: unknown, image: Pick<CardImage, 'path' | 'given'>): unknown {
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  if (code === 'ENOENT') return missingImage(image, error);
  if (!/^(ZSTD_|Z_|ERR_)/.test(code)) return error;
  return corruptImage(image, `cannot be decoded (${code})`, { cause: error });
}
