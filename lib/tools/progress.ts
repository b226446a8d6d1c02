import type { Host } from '../host.ts';
import type { Pin } from './pins.ts';

/** Where a tool came from. */
export type Way = 'path' | 'cache' | 'download' | 'build';

/** Tells what happens to a tool; see `reporter`. */
export type Report = {
  /** A search on PATH, a look into the cache, a download (bytes) or a build (packages compiled) goes on. At most one event a second. */
  going(phase: Way, figures?: { readonly bytes?: number; readonly total?: number; readonly packages?: number; readonly expected?: number }): void;
  /** The tool is there. */
  done(way: Way, version: string): void;
  /** Something to know that does not end the search (a refused digest, a lock held by another). */
  note(message: string): void;
};

const EVERY_MS = 1_000;

/**
 * The events of one tool: `tool.progress` with `{tool, version, phase: 'path'|'cache'|'download'|'build'|'done', bytes?,
 * total?, packages?, expected?, seconds, way?}` (seconds of this phase, or of the last one when done; `expected` of a build from nothing, two
 * at once on two cores; `way` says where a finished one came from), and `tool.note`.
 */
export function reporter(host: Pick<Host, 'emit' | 'clock'>, pin: Pick<Pin, 'tool' | 'version'>): Report {
  let started = host.clock.now();
  let phase = '';
  let last = 0;
  const seconds = (): number => Math.round((host.clock.now() - started) / 100) / 10;
  return {
    going(next, figures = {}) {
      if (next === phase && host.clock.now() - last < EVERY_MS) return;
      if (next !== phase) started = host.clock.now();
      phase = next;
      last = host.clock.now();
      host.emit({ code: 'tool.progress', message: pin.tool, data: { tool: pin.tool, version: pin.version, phase: next, ...figures, seconds: seconds() } });
    },
    done(way, version) {
      host.emit({ code: 'tool.progress', message: pin.tool, data: { tool: pin.tool, version, phase: 'done', way, seconds: seconds() } });
    },
    note: (message) => host.emit({ code: 'tool.note', message, data: { tool: pin.tool } }),
  };
}
