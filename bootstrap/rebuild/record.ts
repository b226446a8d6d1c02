import { updateLock } from '../../lib/lock-file.ts';
import { readLock } from '../../lib/lock-file.ts';
import type { Step } from '../step.ts';
import type { Rebuild } from './rebuild-of.ts';

/** The end: the lock file knows the node's new card, and no rebuild is under way any more. One write, so there is no between. */
export function endStep({ facts, node, record }: Rebuild, needs: readonly string[]): Step {
  return {
    id: `rebuilt:${node.name}`, part: 'End', title: `${node.name} is rebuilt`, node: node.name, needs,
    async observe() {
      const { rebuild, cards } = await readLock(facts.lockFile);
      if (rebuild === undefined && cards[node.name] === record.nonce) return { state: 'done', detail: 'its older cards are kept out from now on' };
      return { state: 'needed', why: 'to be recorded: any older card of it is kept out from now on' };
    },
    act: () => updateLock(facts.lockFile, { rebuild: null, cards: { [node.name]: record.nonce } }),
  };
}
