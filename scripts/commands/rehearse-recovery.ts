import { rebuild } from '../../bootstrap/rebuild/rebuild.ts';
import { backupCandidates } from '../../bootstrap/recovery/candidates.ts';
import { lossesTold } from '../../bootstrap/recovery/lost.ts';
import type { Ending, RecoveryStep } from '../../bootstrap/report/types.ts';
import type { RunResult } from '../../bootstrap/runner.ts';
import { listenTo } from '../../bootstrap/scenarios/events.ts';
import type { RecoveryWish } from '../../bootstrap/scenarios/types.ts';
import { createFacts } from '../../bootstrap/facts.ts';
import type { Patience } from '../../bootstrap/up.ts';
import type { World } from '../../lab/world/world.ts';
import { FirstlightError, isAbort } from '../../lib/errors.ts';
import { withSignal, type Host, type Question } from '../../lib/host.ts';
import { loadCluster } from '../../nodes/load.ts';
import { ownIdentities } from '../identity.ts';
import type { Session } from '../session.ts';
import type { Disaster } from './rehearse-blows.ts';
import { runRestore } from './restore.ts';

/** What a recovery came to: how it ended, its steps (times from `since`), where etcd came from, and what it told as lost. */
export type Recovered = { readonly ended: Ending; readonly steps: readonly RecoveryStep[]; readonly lost: readonly string[]; readonly source?: string };

/** What a recovery is called with. `node` is the one that is rebuilt; `since` (milliseconds since 1970) begins the rehearsal. */
export type Call = { readonly wish: RecoveryWish; readonly node?: string; readonly disaster: Disaster; readonly patience: Patience; readonly since: number };

/**
 * Runs the ordinary recovery in a world, by the very functions that the command of that name calls, and tells how it ended: a coded error
 * is an end like another. Throws an abort, and what is no coded error.
 */
export async function recover(session: Session, host: Host, world: World, call: Call): Promise<Recovered> {
  const { wish, patience, disaster } = call;
  const { view } = session;
  const heard = listenTo(call.since, () => host.clock.now());
  const own = withSignal({ ...host, emit: (event) => { heard.hear(event); host.emit(event); } }, host.signal);
  const [writes, pushes] = [world.nas?.requests.filter(({ wrote }) => wrote).length ?? 0, world.git?.pushes.length ?? 0];
  const identities = await ownIdentities(session);
  const begin = (steps: Parameters<typeof heard.begin>[0] & Parameters<typeof view.begin>[0]): void => { heard.begin(steps); view.begin(steps); };
  const cluster = await loadCluster(world.clusterFolder);
  const before = session.answer;
  session.answer = personOf(world, call, cluster.name);
  try {
    const told = wish.command === 'rebuild' ? await byRebuild() : await byRestore();
    return { ended: { end: 'done' }, steps: heard.steps(), ...told };
  } catch (error) {
    if (host.signal.aborted || isAbort(error) || !(error instanceof FirstlightError)) throw error;
    const harm = [
      ...heard.acted().map((title) => `the step “${title}” was begun`),
      ...((world.nas?.requests.filter(({ wrote }) => wrote).length ?? 0) > writes ? ['the NAS was written to'] : []),
      ...((world.git?.pushes.length ?? 0) > pushes ? ['something was pushed to git'] : []),
    ];
    return { ended: { end: 'failure', code: error.code, message: error.message, hint: error.hint, harm }, steps: heard.steps(), lost: [] };
  } finally {
    session.answer = before;
    await view.end();
  }

  async function byRebuild(): Promise<Pick<Recovered, 'lost' | 'source'>> {
    const mac = disaster.spares.get(call.node!);
    const done = await rebuild(own, cluster, { node: call.node!, force: wish.options['force'] === true, ...(mac === undefined ? {} : { mac }) },
      { patience, begin, candidates: (one) => backupCandidates(one, createFacts(cluster, one.scratch), identities) });
    return { lost: [...lossesOf(done.result), ...done.conclusion.never], ...(done.source === undefined ? {} : { source: done.source }) };
  }

  async function byRestore(): Promise<Pick<Recovered, 'lost' | 'source'>> {
    const done = await runRestore(session, own, cluster, { identities, force: wish.options['force'] === true }, { patience, begin });
    return { lost: [...lossesOf(done.result), ...done.verdict?.never ?? []], source: done.record.archive };
  }
}

function lossesOf(result: RunResult): readonly string[] {
  return result.steps.filter((end) => end.step.id === 'losses').flatMap((end) => lossesTold(end.detail));
}

/** The person at the desk: says what the scenario says, types what is asked to be typed, answers for the spare boards that were put in, and else has the world's hands. */
function personOf(world: World, { wish, disaster, node = '' }: Call, cluster: string): (question: Question) => Promise<string | undefined> {
  const filled = (text: string): string => text.replaceAll('{cluster}', cluster).replaceAll('{node}', node);
  return async (question) => {
    const said = wish.answers[question.code];
    if (said !== undefined) return filled(said);
    if (question.code === 'rebuild.spare') return [...disaster.spares.values()].some((mac) => question.text.toLowerCase().includes(mac)) ? 'yes' : 'no';
    // The person compares the fingerprint with what the new host itself says.
    if (question.code === 'restore.host-key') return world.git && question.text.includes(world.git.fingerprint) ? 'yes' : 'no';
    if (question.code === 'card.overwrite' || question.code === 'fence.confirm') return /Type (\S+) to /.exec(question.text)?.[1];
    return await world.hands(question) ?? question.fallback;
  };
}
