import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { problem, FirstlightError } from '../lib/errors.ts';
import { writeAt } from '../lib/file-bytes.ts';
import type { Host } from '../lib/host.ts';
import { imageMeter } from './image-progress.ts';
import { eitherSignal } from '../lib/signals.ts';

/** What was downloaded; `resumed` when part of it was there before. */
export type Downloaded = { readonly sha256: string; readonly bytes: number; readonly resumed: boolean };

// The first request for an image makes the factory build it, which takes minutes; after that, bytes should flow.
const FIRST_BYTE_MS = 10 * 60_000;
const STALL_MS = 60_000;
const ATTEMPTS = 5;

/**
 * Downloads a URL to a file, going on where the file ends (HTTP ranges) and again after a cut, up to five times without progress.
 * Two runs that download the same URL to the same file write the same bytes to the same places, and do not disturb each other.
 * Events: `image.progress`, phase `download`. Throws `E_IMAGE_UNKNOWN` (404), `E_FACTORY`, the abort.
 */
export async function download(host: Host, url: string, path: string): Promise<Downloaded> {
  const before = await sizeOf(path);
  let misses = 0;
  for (;;) {
    const had = await sizeOf(path);
    try {
      await attempt(host, url, path, had);
      break;
    } catch (error) {
      host.signal.throwIfAborted();
      if (error instanceof FirstlightError) throw error;
      misses = (await sizeOf(path)) > had ? 1 : misses + 1;
      const why = error instanceof Error ? error.message : String(error);
      if (misses >= ATTEMPTS) {
        throw problem('E_FACTORY', `the image could not be downloaded from ${url}: ${why}`, 'See whether the image factory can be reached; run again and the download goes on where it was.', { cause: error });
      }
      host.emit({ code: 'image.retry', message: `the download was cut (${why}); going on` });
      await host.clock.sleep(250 * 2 ** misses, host.signal);
    }
  }
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(piece as Buffer);
  return { sha256: hash.digest('hex'), bytes: await sizeOf(path), resumed: before > 0 };
}

async function attempt(host: Host, url: string, path: string, had: number): Promise<void> {
  const stalled = new AbortController();
  const watch = watchdog(host, stalled);
  const signal = eitherSignal(host.signal, stalled.signal);
  try {
    watch.within(FIRST_BYTE_MS);
    const response = await host.fetch(url, { signal, headers: had > 0 ? { range: `bytes=${had}-` } : {} });
    if (response.status === 416 && rangeTotal(response) === had) return;
    const start = response.status === 206 ? had : 0;
    if (response.status === 206 && rangeStart(response) !== had) throw new Error('the factory answered with another range');
    if (response.status !== 206 && response.status !== 200) await refused(response, url);
    const length = response.headers.get('content-length');
    await receive(host, response, path, { start, had, ...(length === null ? {} : { total: start + Number(length) }) }, () => watch.within(STALL_MS));
  } finally {
    watch.end();
  }
}

type Span = { readonly start: number; readonly had: number; readonly total?: number };

async function receive(host: Host, response: Response, path: string, span: Span, alive: () => void): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  try {
    if (span.start < span.had) await file.truncate(span.start);
    const meter = imageMeter(host, { phase: 'download', from: span.start, ...(span.total === undefined ? {} : { total: span.total }) });
    let at = span.start;
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      alive();
      await writeAt(file, at, piece);
      at += piece.length;
      meter.at(at);
    }
    await file.sync();
    meter.end(at);
    if (span.total !== undefined && at !== span.total) throw new Error(`${at} of ${span.total} bytes came`);
  } finally {
    await file.close();
  }
}

/** Aborts when nothing happens within the time set last; built on the host's clock. */
function watchdog(host: Host, stalled: AbortController): { within(ms: number): void; end(): void } {
  let current = new AbortController();
  const end = (): void => current.abort();
  const within = (ms: number): void => {
    end();
    current = new AbortController();
    host.clock.sleep(ms, current.signal).then(() => stalled.abort(new Error(`nothing came for ${ms / 1000} s`)), () => {});
  };
  return { within, end };
}

async function refused(response: Response, url: string): Promise<never> {
  const text = (await response.text()).trim().slice(0, 300);
  if (response.status === 404) {
    throw problem('E_IMAGE_UNKNOWN', `the image factory has no such image: ${text || url}`, 'See whether talos.version in cluster.yaml exists and the schematic was posted to this factory.');
  }
  if (response.status < 500) throw problem('E_FACTORY', `the image factory refused ${url}: ${response.status} ${text}`, 'Mend what it names and run again.');
  throw new Error(`the factory answered ${response.status} ${text}`);
}

function rangeStart(response: Response): number | undefined {
  return Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN);
}

function rangeTotal(response: Response): number {
  return Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN);
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
