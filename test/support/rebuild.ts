import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { rebuild, type Rebuilt, type RebuildRequest } from '../../bootstrap/rebuild/rebuild.ts';
import { withSignal, type Host, type Question, type RunEvent } from '../../lib/host.ts';
import { refuseCorruption } from '../../lab/nas/verdict.ts';
import { loadCluster } from '../../nodes/load.ts';
import { toolsFolder } from './host.ts';
import type { Rehearsal } from './rehearsal.ts';

/** How one `rebuild` is disturbed: `hands` answers before the world's own do; it is interrupted at the event `stopAt` names. */
export type Disturbed = { readonly hands?: (question: Question) => Promise<string | undefined>; readonly stopAt?: (event: RunEvent) => boolean };

let count = 0;

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
  const done = await rebuild(withSignal(own, stop.signal), await loadCluster(world.clusterFolder), request, { patience: { bootMs: 60_000, joinMs: 180_000 } });
  if (world.nas) refuseCorruption(world.nas);
  return done;
}
