import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createFacts } from '../../bootstrap/facts.ts';
import { rebuild, type Rebuilt, type RebuildRequest } from '../../bootstrap/rebuild/rebuild.ts';
import { runSteps, type RunResult } from '../../bootstrap/runner.ts';
import { upSteps } from '../../bootstrap/up.ts';
import { withSignal, type Host, type Question, type RunEvent } from '../../lib/host.ts';
import { refuseCorruption } from '../../lab/nas/verdict.ts';
import { loadCluster } from '../../nodes/load.ts';
import { toolsFolder } from './host.ts';
import type { Rehearsal } from './rehearsal.ts';

/** How one `rebuild` is disturbed: `hands` answers before the world's own do; it is interrupted at the event `stopAt` names. */
export type Disturbed = { readonly hands?: (question: Question) => Promise<string | undefined>; readonly stopAt?: (event: RunEvent) => boolean };

let count = 0;

const PATIENCE = { bootMs: 60_000, joinMs: 180_000 };

/** One `up` in a rehearsal's world, of the cluster as its file declares it now. */
export async function upAgain({ world, host }: Rehearsal): Promise<RunResult> {
  count += 1;
  const scratch = join(host.scratch, `up-${count}`);
  await mkdir(scratch, { mode: 0o700 });
  const own: Host = { ...host, scratch, cache: join(toolsFolder(), '..', '..'), ask: async (question) => await world.hands(question) ?? await host.ask(question) };
  return runSteps(upSteps(createFacts(await loadCluster(world.clusterFolder), scratch), PATIENCE), own);
}

/** One `rebuild` in a rehearsal's world, with facts and a scratch folder of its own, as a new command has. The person types the node's name where that is asked for. */
export async function rebuildIn({ world, host }: Rehearsal, request: RebuildRequest, disturbed: Disturbed = {}): Promise<Rebuilt> {
  count += 1;
  const scratch = join(host.scratch, `rebuild-${count}`);
  await mkdir(scratch, { mode: 0o700 });
  const person = async (question: Question): Promise<string | undefined> => (question.code === 'card.overwrite' ? request.node : undefined);
  const stop = new AbortController();
  const own: Host = {
    ...host, scratch, cache: join(toolsFolder(), '..', '..'),
    ask: async (question) => await disturbed.hands?.(question) ?? await person(question) ?? await world.hands(question) ?? await host.ask(question),
    emit: (event) => { host.emit(event); if (disturbed.stopAt?.(event)) stop.abort(); },
  };
  const done = await rebuild(withSignal(own, stop.signal), await loadCluster(world.clusterFolder), request, { patience: PATIENCE });
  if (world.nas) refuseCorruption(world.nas);
  return done;
}

/**
 * One rebuild, cut off as one step after another begins to act, and again as each is done; each next run goes on. Gives every boundary at
 * which it was cut off, `acting STEP` or `done STEP`. A cut behind the last step leaves a finished rebuild: the node is well then.
 */
export async function rebuildInPieces(rehearsal: Rehearsal, request: RebuildRequest): Promise<readonly string[]> {
  const boundaries: string[] = [];
  for (;;) {
    let cut: RunEvent | undefined;
    const error = await rebuildIn(rehearsal, request, { stopAt: (event) => {
      const boundary = `${event.code.slice('step.'.length)} ${event.step}`;
      if (cut === undefined && /^step\.(acting|done)$/.test(event.code) && !boundaries.includes(boundary)) {
        cut = event;
        boundaries.push(boundary);
      }
      return cut !== undefined && event.step === cut.step;
    } }).then(() => undefined, (reason: unknown) => reason as { readonly code?: string });
    if (error === undefined || (boundaries.at(-1) === `done rebuilt:${request.node}` && error.code === 'E_REBUILD_HEALTHY')) return boundaries;
    if (error.code !== 'E_ABORTED') throw error;
    if (boundaries.length > 60) throw new Error(`it never ends: ${boundaries.join(', ')}`);
  }
}

/**
 * A rebuild during which the old board comes back, once behind each of these steps until a run gets to its end all the same; after each
 * stop it is switched off again, and the same command goes on. Gives what became of each: the code it stopped with, or `went on`.
 */
export async function rebuildWithTheOldBoard(rehearsal: Rehearsal, request: RebuildRequest, moments: readonly string[]): Promise<readonly (readonly [string, string])[]> {
  const { world } = rehearsal;
  const came: [string, string][] = [];
  for (const moment of moments) {
    let back: ReturnType<typeof world.revive> | undefined;
    const error = await rebuildIn(rehearsal, request, { stopAt: (event) => {
      if (event.step === moment && /^step\.(done|already)$/.test(event.code)) back ??= world.revive(request.node);
      return false;
    } }).then(() => undefined, (reason: unknown) => reason as { readonly code?: string; readonly message?: string });
    if (back === undefined) throw new Error(`the run ended before ${moment}: ${error?.message ?? 'well'}`, { cause: error });
    await (await back).powerOff();
    came.push([moment, error?.code ?? 'went on']);
    if (error === undefined) return came;
    if (!/^E_(FENCE_BROKEN|FENCE_ALIVE|IDENTITY_OLD_CARD|QUORUM)$/.test(error.code ?? '')) throw error;
  }
  await rebuildIn(rehearsal, request);
  return came;
}
