import { createReadStream } from 'node:fs';
import { createZstdDecompress } from 'node:zlib';
import { problem } from '../../lib/errors.ts';

/** Bytes of a block: what is decoded, hashed, written and read back at once. */
export const BLOCK = 4 * 1024 * 1024;

/** A piece of the raw image, `BLOCK` bytes but for the last; `at` is its place. The bytes may not be kept past the next piece. */
export type Block = { readonly at: number; readonly data: Buffer };

/**
 * The raw image inside a `.zst` file, block by block, one decode for however many cards.
 * Throws `E_IMAGE_CORRUPT` where the file is cut or damaged, `E_IMAGE_MISSING` where it is not there, the signal's abort.
 */
export async function* imageBlocks(path: string, signal: AbortSignal): AsyncGenerator<Block> {
  const source = createReadStream(path, { highWaterMark: 1024 * 1024 });
  const decoder = createZstdDecompress({ chunkSize: 1024 * 1024 });
  source.on('error', (error) => decoder.destroy(error));
  source.pipe(decoder);
  let at = 0;
  let filled = 0;
  const block = Buffer.allocUnsafeSlow(BLOCK);
  try {
    for await (const piece of decoder as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      for (let used = 0; used < piece.length;) {
        const taken = piece.copy(block, filled, used);
        used += taken;
        filled += taken;
        if (filled < BLOCK) continue;
        yield { at, data: block };
        at += BLOCK;
        filled = 0;
      }
    }
    if (filled > 0) yield { at, data: block.subarray(0, filled) };
  } catch (error) {
    throw readable(error, path);
  } finally {
    source.destroy();
    decoder.destroy();
  }
}

function readable(error: unknown, path: string): unknown {
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  if (code === 'ENOENT') return problem('E_IMAGE_MISSING', `there is no image at ${path}`, 'Run again: it is downloaded anew.', { cause: error });
  if (!/^(ZSTD_|Z_|ERR_)/.test(code)) return error;
  return problem('E_IMAGE_CORRUPT', `the image ${path} cannot be decoded (${code})`, 'Remove it and run again: it is downloaded anew.', { cause: error });
}
