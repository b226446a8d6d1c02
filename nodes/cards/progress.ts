import type { Host } from '../../lib/host.ts';

/** Tells how far one card is, at most twice a second and at each phase's end. `total` (bytes) is set once it is known. */
export type Progress = ((phase: 'write' | 'verify', bytes: number) => void) & { total(bytes: number): void };

const EVERY_MS = 500;

/** Events `card.progress` of one node: {phase, bytes, total, rate, secondsLeft}; rate in bytes a second over the phase so far. */
export function progressOf(host: Host, node: string): Progress {
  let total = 0;
  let current = '';
  let before = 0;
  let began = 0;
  let told = 0;
  const tell = (phase: 'write' | 'verify', bytes: number): void => {
    const now = host.clock.now();
    if (phase !== current || bytes < before) [current, began, told] = [phase, now, now];
    before = bytes;
    if (now - told < EVERY_MS && bytes < total) return;
    told = now;
    const rate = Math.round(bytes / Math.max(0.001, (now - began) / 1000));
    const secondsLeft = Math.ceil((total - bytes) / Math.max(1, rate));
    host.emit({ code: 'card.progress', node, data: { phase, bytes, total, rate, secondsLeft } });
  };
  return Object.assign(tell, { total: (bytes: number): void => { total = bytes; } });
}
