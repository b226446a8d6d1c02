import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, RunEvent } from '../lib/host.ts';
import type { Mask } from '../lib/masking.ts';

/** A run's evidence (never its truth): one JSON object a line, `{at, n, code, …}`, masked, readable after a crash to its last whole line. */
export type Journal = {
  readonly path: string;
  /** Writes one event at once; `step.*` and `intent.*` events are fsynced. */
  record(event: RunEvent): void;
  close(): void;
};

/** Codes that come many times a second; the journal keeps one a second of each code and place. */
const FLEETING = /\.progress$/;

/** Opens `<folder>/journal.jsonl` (folder made, 0700; file 0600, appended). Throws what the file system throws. */
export function openJournal(folder: string, clock: Clock, mask: Mask): Journal {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'journal.jsonl');
  const file = openSync(path, 'a', 0o600);
  const lastFleeting = new Map<string, number>();
  let count = 0;
  let open = true;
  return {
    path,
    record(event) {
      if (!open) return;
      const now = clock.now();
      if (FLEETING.test(event.code)) {
        const key = `${event.code} ${event.node ?? ''} ${event.step ?? ''}`;
        if (now - (lastFleeting.get(key) ?? 0) < 1_000) return;
        lastFleeting.set(key, now);
      }
      count += 1;
      const line = JSON.stringify({ at: new Date(now).toISOString(), n: count, ...event }, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
      writeSync(file, mask.hide(line) + '\n');
      if (/^(step|intent|run)\./.test(event.code)) fsyncSync(file);
    },
    close() {
      if (!open) return;
      open = false;
      fsyncSync(file);
      closeSync(file);
    },
  };
}
