import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for a named condition of the test's own; throws with its name after `deadlineMs`. */
export async function until(name: string, deadlineMs: number, met: () => boolean): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!met()) {
    if (Date.now() > end) throw new Error(`waited ${deadlineMs} ms for: ${name}`);
    await sleep(25);
  }
}

/** Command lines of all processes of this machine, arguments parted by spaces. */
export function commandLines(): Map<number, string> {
  const lines = new Map<number, string>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      lines.set(Number(name), readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      // it ended meanwhile
    }
  }
  return lines;
}

/** Processes whose command line or environment names a text, other than this one and zombies. */
export function processesNaming(text: string): number[] {
  return [...commandLines().keys()].filter((pid) => {
    if (pid === process.pid) return false;
    try {
      if (/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) return false;
      return ['cmdline', 'environ'].some((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(text));
    } catch {
      return false;
    }
  });
}

/** Looks at every process's argv many times a second until stopped; gives all different ones seen. */
export function argvSampler(): { stop(): string[] } {
  const seen = new Set<string>();
  const timer = setInterval(() => { for (const line of commandLines().values()) seen.add(line); }, 15);
  return { stop: () => { clearInterval(timer); return [...seen]; } };
}
