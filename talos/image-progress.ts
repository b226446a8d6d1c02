import type { Host } from '../lib/host.ts';

/** What is done to an image, and how much of it there is, where that is known; `from` are the bytes that were done before. */
export type ImageWork = { readonly phase: 'download' | 'unpack' | 'pack' | 'check'; readonly total?: number; readonly from?: number };

/** Tells of work on an image: `at` at most twice a second, `end` always. */
export type ImageMeter = { at(bytes: number): void; end(bytes: number): void };

const EVERY_MS = 500;

/** Begins to measure: events `image.progress` {phase, bytes, total, rate}; total only where it is known, rate in bytes a second. */
export function imageMeter(host: Pick<Host, 'emit' | 'clock'>, { phase, total, from = 0 }: ImageWork): ImageMeter {
  const began = host.clock.now();
  let told = began;
  const end = (bytes: number): void => {
    told = host.clock.now();
    const rate = Math.round((bytes - from) / Math.max(0.001, (told - began) / 1000));
    host.emit({ code: 'image.progress', data: { phase, bytes, ...(total === undefined ? {} : { total }), rate } });
  };
  return { at: (bytes) => { if (host.clock.now() - told >= EVERY_MS) end(bytes); }, end };
}
