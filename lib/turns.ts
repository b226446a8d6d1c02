import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning } from './pid.ts';

const LOOK_EVERY_MS = 50;
/** Looks (10 s) after which a holder that never changed is taken for dead, wherever it ran: what is done in a turn takes milliseconds. */
const LOOKS = 200;

/**
 * Does `work` while no other process that asks for the same file does: the turn is a hidden file beside it, made with O_EXCL,
 * that names its owner. One that a dead process of this machine left, or that nobody gave back for ten seconds, is taken away.
 * Throws what the work and the file system throw.
 */
export async function inTurn<T>(path: string, work: () => Promise<T>): Promise<T> {
  const turn = join(dirname(path), `.${basename(path)}.turn`);
  const mine = `${process.pid} ${hostname()} ${randomBytes(6).toString('hex')}\n`;
  let holder: string | undefined;
  await mkdir(dirname(path), { recursive: true });
  for (let looks = 0; !await taken(turn, mine);) {
    const now = await readFile(turn, 'utf8').catch(ifGone);
    looks = now === holder ? looks + 1 : 0;
    holder = now;
    if (now !== undefined && (looks >= LOOKS || isDead(now))) await takeAway(turn, now);
    else await sleep(LOOK_EVERY_MS);
  }
  try {
    return await work();
  } finally {
    if (await readFile(turn, 'utf8').catch(ifGone) === mine) await rm(turn, { force: true });
  }
}

async function taken(turn: string, mine: string): Promise<boolean> {
  try {
    const file = await open(turn, 'wx', 0o644);
    await file.writeFile(mine).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Takes a dead holder's turn away; where another was quicker and it is someone else's by now, that one gets it back. */
async function takeAway(turn: string, dead: string): Promise<void> {
  const aside = `${turn}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(turn, aside);
  } catch (error) {
    return ifGone(error);
  }
  if (await readFile(aside, 'utf8') === dead) await rm(aside);
  else await rename(aside, turn);
}

function isDead(holder: string): boolean {
  const [pid, host] = holder.split(' ');
  return /^\d+$/.test(pid ?? '') && host === hostname() && !isRunning(Number(pid));
}

function ifGone(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
