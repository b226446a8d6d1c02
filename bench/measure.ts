import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** What one run took: seconds of wall and of CPU (user and system, all processes), MiB of memory (all processes that ran at once). */
export type Taken = { readonly wall: number; readonly cpu: number; readonly mib: number };

/** Runs a line of bash and measures it. Throws where it fails, with its words. */
export async function measure(line: string): Promise<Taken> {
  const shell = spawn('bash', ['-c', `TIMEFORMAT='TAKEN %R %U %S'; set -o pipefail; time ( ${line} )`], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  shell.stderr.on('data', (piece) => { said += String(piece); });
  const own = ownMemory(shell.pid ?? 0);
  let mib = 0;
  const sampler = setInterval(() => { mib = Math.max(mib, own()); }, 25);
  const [code] = await once(shell, 'close') as [number];
  clearInterval(sampler);
  const taken = /TAKEN ([\d.]+) ([\d.]+) ([\d.]+)/.exec(said);
  if (code !== 0 || !taken) throw new Error(`${line}\n${said}`);
  return { wall: Number(taken[1]), cpu: Number(taken[2]) + Number(taken[3]), mib };
}

/**
 * The peak memory of a process's descendants that live now (VmHWM: each one's own peak, so a late look misses nothing), but for shells.
 * A fork that has not become its program yet is a view of its parent's memory: of it only what it doesn't share counts.
 */
function ownMemory(pid: number): () => number {
  const below = (one: number, parent: string): number => {
    const children = read(`/proc/${one}/task/${one}/children`).trim().split(' ').filter(Boolean).map(Number);
    const line = read(`/proc/${one}/cmdline`);
    const status = read(`/proc/${one}/status`);
    const mine = /^Name:\t(bash|sh)$/m.test(status) ? 0 : line === parent ? kib(read(`/proc/${one}/smaps_rollup`), /^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm) : kib(status, /^VmHWM:\s+(\d+) kB$/gm);
    return children.reduce((sum, child) => sum + below(child, line), mine / 1024);
  };
  return () => below(pid, '');
}

function kib(text: string, lines: RegExp): number {
  return [...text.matchAll(lines)].reduce((sum, [, number]) => sum + Number(number), 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] ?? NaN : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
