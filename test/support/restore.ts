import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { backup, type BackupDone } from '../../bootstrap/archive/backup.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import { restore, type Restored, type RestoreRequest } from '../../bootstrap/restore/restore.ts';
import { refuseCorruption } from '../../lab/nas/verdict.ts';
import { withSignal, type Host, type Question, type RunEvent } from '../../lib/host.ts';
import { loadCluster } from '../../nodes/load.ts';
import { toolsFolder } from './host.ts';
import type { Rehearsal } from './rehearsal.ts';

/** How one `restore` is disturbed: `hands` answers before the world's own do; it is interrupted at the event `stopAt` names. */
export type Disturbed = { readonly hands?: (question: Question) => Promise<string | undefined>; readonly stopAt?: (event: RunEvent) => boolean };

let count = 0;

/** The age identities of the rehearsal's owner. */
export function ownersOf({ world }: Rehearsal): readonly string[] {
  return readFileSync(world.environment['SOPS_AGE_KEY_FILE']!, 'utf8').match(/AGE-SECRET-KEY-1\w+/g) ?? [];
}

/** A scratch folder of its own for one command, as a new session has. */
async function ownScratch(host: Host): Promise<string> {
  count += 1;
  const scratch = join(host.scratch, `command-${count}`);
  await mkdir(scratch, { mode: 0o700 });
  return scratch;
}

/** One `backup` of the rehearsal's cluster, into the inventory's places. */
export async function backupIn(rehearsal: Rehearsal): Promise<BackupDone> {
  const { world, host } = rehearsal;
  const cluster = await loadCluster(world.clusterFolder);
  const own: Host = { ...host, scratch: await ownScratch(host) };
  return backup(own, createFacts(cluster, own.scratch), { places: cluster.backup.places, identities: ownersOf(rehearsal), versions: {} }, () => {});
}

/** One `restore` in a rehearsal's world. The person agrees to overwrite cards by their node's name. */
export async function restoreIn(rehearsal: Rehearsal, request: Partial<RestoreRequest> = {}, disturbed: Disturbed = {}): Promise<Restored> {
  const { world, host } = rehearsal;
  const scratch = await ownScratch(host);
  const person = async (question: Question): Promise<string | undefined> => (question.code === 'card.overwrite' ? /Type (\S+) to /.exec(question.text)?.[1] : undefined);
  const stop = new AbortController();
  const own: Host = {
    ...host, scratch, cache: join(toolsFolder(), '..', '..'),
    ask: async (question) => await disturbed.hands?.(question) ?? await person(question) ?? await world.hands(question) ?? await host.ask(question),
    emit: (event) => { host.emit(event); if (disturbed.stopAt?.(event)) stop.abort(); },
  };
  const done = await restore(withSignal(own, stop.signal), await loadCluster(world.clusterFolder), { identities: ownersOf(rehearsal), ...request }, { patience: { bootMs: 60_000, joinMs: 240_000 } });
  if (world.nas) refuseCorruption(world.nas);
  return done;
}

/**
 * One restore, cut off as one step after another begins to act, and again as each is done; each next run goes on. Gives every boundary at
 * which it was cut off, `acting STEP` or `done STEP`, and the restore that finished.
 */
export async function restoreInPieces(rehearsal: Rehearsal, request: Partial<RestoreRequest> = {}, hands?: Disturbed['hands']): Promise<{ readonly boundaries: readonly string[]; readonly done: Restored }> {
  const boundaries: string[] = [];
  for (;;) {
    let cut: RunEvent | undefined;
    const stopAt = (event: RunEvent): boolean => {
      const boundary = `${event.code.slice('step.'.length)} ${event.step}`;
      if (cut === undefined && event.step !== 'restored' && /^step\.(acting|done)$/.test(event.code) && !boundaries.includes(boundary)) {
        cut = event;
        boundaries.push(boundary);
      }
      return cut !== undefined && event.step === cut.step;
    };
    try {
      return { boundaries, done: await restoreIn(rehearsal, request, { stopAt, ...(hands ? { hands } : {}) }) };
    } catch (error) {
      if ((error as { readonly code?: string }).code !== 'E_ABORTED') throw error;
      if (boundaries.length > 80) throw new Error(`it never ends: ${boundaries.join(', ')}`);
    }
  }
}
