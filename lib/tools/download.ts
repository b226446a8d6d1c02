import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FirstlightError, problem } from '../errors.ts';
import type { Host } from '../host.ts';
import { eitherSignal } from '../signals.ts';

const STALL_MS = 30_000;
const TRIES = 4;
const HINT = 'Run the same command again: the download continues where it stopped.';

/** How far a download is: bytes on disk, and the whole size where the server says it. */
export type Figures = { readonly bytes: number; readonly total?: number };

/**
 * Downloads to `file`, continuing a partial one with a Range request; a transfer that is cut is continued up to three
 * times, an answer that says no is not asked again. A server that ignores Range starts it anew. Throws `E_DOWNLOAD` (answer, cut, no byte for 30 s), or the abort.
 */
export async function download(host: Host, url: string, file: string, each: (figures: Figures) => void): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  for (let tried = 1; ; tried += 1) {
    try {
      if (await attempt(host, url, file, each)) return;
    } catch (error) {
      host.signal.throwIfAborted();
      if (tried >= TRIES || error instanceof FirstlightError) throw asProblem(url, error);
      await host.clock.sleep(200 * tried, host.signal);
    }
  }
}

/** One request. True when the file is whole; false when it must be asked for again from the start. */
async function attempt(host: Host, url: string, file: string, each: (figures: Figures) => void): Promise<boolean> {
  const have = await sizeOf(file);
  const stall = new AbortController();
  const watch = (): NodeJS.Timeout => setTimeout(() => stall.abort(new Error(`no byte came for ${STALL_MS / 1000} s`)), STALL_MS);
  let timer = watch();
  try {
    const answer = await host.fetch(url, {
      signal: eitherSignal(host.signal, stall.signal),
      headers: { 'accept-encoding': 'identity', ...(have > 0 ? { range: `bytes=${have}-` } : {}) },
    });
    if (answer.status === 416) return await alreadyWhole(answer, file, have);
    if (!answer.ok || !answer.body) throw problem('E_DOWNLOAD', `${url} answered ${answer.status}`, HINT);
    const continued = answer.status === 206 && (answer.headers.get('content-range') ?? '').startsWith(`bytes ${have}-`);
    if (answer.status === 206 && !continued) throw problem('E_DOWNLOAD', `${url} answered with another range than asked for`, HINT);
    const length = Number(answer.headers.get('content-length') ?? Number.NaN);
    const start = continued ? have : 0;
    const total = Number.isFinite(length) ? start + length : undefined;
    const out = await open(file, continued ? 'a' : 'w');
    let bytes = start;
    try {
      for await (const chunk of answer.body) {
        clearTimeout(timer);
        timer = watch();
        await out.write(chunk);
        bytes += chunk.byteLength;
        each(total === undefined ? { bytes } : { bytes, total });
      }
      await out.sync();
    } finally {
      await out.close();
    }
    if (total !== undefined && bytes !== total) throw new Error(`ended after ${bytes} of ${total} bytes`);
    return true;
  } finally {
    clearTimeout(timer);
  }
}

/** After 416: the file is whole where its size is the server's; else it is emptied to start anew. */
async function alreadyWhole(answer: Response, file: string, have: number): Promise<boolean> {
  await answer.body?.cancel();
  if (answer.headers.get('content-range') === `bytes */${have}`) return true;
  await (await open(file, 'w')).close();
  return false;
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

function asProblem(url: string, error: unknown): Error {
  if (error instanceof FirstlightError) return error;
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return problem('E_DOWNLOAD', `${url}: ${inner instanceof Error ? inner.message : String(inner)}`, HINT, { cause: error });
}
