import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Host } from '../host.ts';
import { waitFor, type Look } from '../conditions.ts';

const BEAT_MS = 2_000;
const DEAD_AFTER_MS = 10_000;

/**
 * Runs `work` while holding the lock file, so that of several firstlights one does it at a time. The holder touches the
 * file every two seconds; one untouched for ten is its holder's tombstone and is taken over. `waiting` is called once
 * where another holds it. Throws what `work` throws, `E_DEADLINE` after an hour of waiting, or the abort.
 */
export async function withClaim<T>(host: Host, file: string, name: string, waiting: () => void, work: () => Promise<T>): Promise<T> {
  const mine = randomBytes(16).toString('hex');
  let told = false;
  await mkdir(dirname(file), { recursive: true });
  await waitFor({
    name: `${name} is not being fetched by another firstlight`,
    deadlineMs: 3_600_000,
    hint: `If no other firstlight runs, remove ${file}.`,
    look: async (): Promise<Look<true>> => {
      if (await take(file, mine)) return { met: true, value: true };
      await removeIfDead(file, host.clock.now());
      if (!told) waiting();
      told = true;
      return { met: false, seen: 'another one works on it' };
    },
  }, host);
  const touch = (): void => {
    const seconds = host.clock.now() / 1000;
    void utimes(file, seconds, seconds).catch(() => {});
  };
  const beat = setInterval(touch, BEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    if (await readFile(file, 'utf8').catch(() => '') === mine) await rm(file, { force: true });
  }
}

/** Creates the lock file with our word in it in one move: a link fails where the name is taken. */
async function take(file: string, mine: string): Promise<boolean> {
  const aside = `${file}.${mine}`;
  await writeFile(aside, mine);
  try {
    await link(aside, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/** Moves a dead lock away; where a living one was caught instead (taken in between), it is put back. */
async function removeIfDead(file: string, now: number): Promise<void> {
  const seen = await stat(file).catch(() => undefined);
  if (!seen || now - seen.mtimeMs < DEAD_AFTER_MS) return;
  const grave = `${file}.${randomBytes(8).toString('hex')}`;
  try {
    await rename(file, grave);
  } catch {
    return;
  }
  if (now - (await stat(grave)).mtimeMs < DEAD_AFTER_MS) await link(grave, file).catch(() => {});
  await rm(grave, { force: true });
}
