// Writes an image to cards, and nothing else, to be measured: node bench/flash.ts <image.raw.zst> <device>…
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Host } from '../lib/host.ts';
import { createMask } from '../lib/masking.ts';
import { createRunner } from '../lib/process.ts';
import { writeCards } from '../nodes/cards/write.ts';

const [path = '', ...devices] = process.argv.slice(2);
const scratch = mkdtempSync(join(tmpdir(), 'firstlight-bench-'));
const { signal } = new AbortController();
const mask = createMask();
const environment = { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' };
const host: Host = {
  emit: () => {},
  ask: async () => { throw new Error('nobody answers'); },
  run: createRunner({ programs: new Map(), environment, signal, mask }),
  clock: { now: () => Date.now(), sleep: (ms, stop) => new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    stop?.addEventListener('abort', () => { clearTimeout(timer); reject(stop.reason as Error); });
  }) },
  fetch, signal, mask, scratch, cache: scratch,
};
try {
  await writeCards(host, { image: { path }, targets: devices.map((device, index) => ({ node: `card-${index}`, device, meta: new Map([[0x0c, `card ${index}`]]) })) });
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
