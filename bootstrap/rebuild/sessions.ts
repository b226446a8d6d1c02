import { waitFor } from '../../lib/conditions.ts';
import type { Host } from '../../lib/host.ts';
import { contentsOfNas } from '../storage-view.ts';
import type { Step } from '../step.ts';
import { incarnationOf } from './incarnation.ts';
import type { Rebuild } from './rebuild-of.ts';

/** Milliseconds until the NAS has noticed that an initiator is gone: its target pings each and drops it when no answer comes. */
const NOTICED_MS = 3 * 60_000;

/**
 * The NAS holds no session of the old board any more: nobody else's may open before. A session counts as the old board's by the
 * node's address; those of the new board, once it runs, are its own.
 */
export function sessionsStep(rebuild: Rebuild, needs: readonly string[]): Step {
  const { facts, node } = rebuild;
  const look = async (host: Host): Promise<readonly string[]> => {
    if (await incarnationOf(host, rebuild) === 'new') return [];
    const { targets } = await contentsOfNas(host, facts);
    return targets.flatMap((target) => target.connected_sessions.filter((session) => session.ip === node.address).map((session) => `${session.iqn} on ${target.name}`));
  };
  return {
    id: `sessions:${node.name}`, part: 'Evict', title: `The NAS has let go of the old ${node.name}`, node: node.name, needs,
    async observe(host) {
      const held = await look(host);
      return held.length === 0 ? { state: 'done', detail: 'no session of it' } : { state: 'needed', why: `still open: ${held.join(', ')}` };
    },
    async act(host) {
      await waitFor({
        name: `the NAS shows no session from ${node.address}`, deadlineMs: NOTICED_MS, everyMs: 1_000,
        hint: `The NAS drops a session whose board is off within minutes. If this one stays, see in SAN Manager who it is; nothing was taken from ${node.name} yet.`,
        look: async () => {
          const held = await look(host);
          return held.length === 0 ? { met: true, value: true } : { met: false, seen: held.join(', ') };
        },
      }, host);
    },
  };
}
