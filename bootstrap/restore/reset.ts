import { waitFor, type Look } from '../../lib/conditions.ts';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock } from '../../lib/lock-file.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { lookThrough } from '../../talos/errors.ts';
import { observeEtcd } from '../../talos/etcd.ts';
import { resetEphemeral } from '../../talos/talosctl-recover.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';
import { isQuorate } from './quorate.ts';
import { changeRecord } from './record.ts';
import type { Restore } from './restore-of.ts';

/**
 * A control plane that kept its data when the quorum was lost loses its EPHEMERAL partition, with the old etcd on it: a snapshot goes only into
 * empty ones (siderolabs/docs: disaster-recovery). Decided and recorded before; once done it is out of the record, and never done again.
 * Throws `E_RESTORE_ALIVE` where a member answers after all: a living etcd is never wiped.
 */
export function resetStep({ facts, record, patience }: Restore, node: ClusterNode, needs: readonly string[]): Step {
  const toDo = async (): Promise<boolean> => (await readLock(facts.lockFile)).restore?.reset?.includes(node.name) ?? false;
  const empty = async (host: Host): Promise<Look<true>> => {
    const seen = await observeEtcd(host, node.name, await facts.access(host, node));
    if (!seen.asked) return { met: false, seen: seen.seen };
    return seen.data === 'empty' && seen.phase === 'preparing' ? { met: true, value: true } : { met: false, seen: seen.detail };
  };
  return {
    id: `reset:${node.name}`, part: 'etcd', title: `The old etcd of ${node.name} is wiped`, node: node.name, needs,
    danger: `Everything on EPHEMERAL of ${node.name} is deleted: its images, its logs, and what is left of the old etcd.`,
    async observe() {
      if (!record.reset?.includes(node.name) || !await toDo()) return { state: 'done', detail: 'nothing of the old one is left' };
      return { state: 'needed', why: 'it still has data of the etcd whose quorum is lost' };
    },
    async act(host) {
      if (!(await lookThrough(() => empty(host))).met) {
        await requireDead(host, facts);
        host.emit({ code: 'intent.reset', node: node.name, message: `wipe EPHEMERAL of ${node.name}` });
        await resetEphemeral(host, await facts.access(host, node));
        await waitFor({
          name: `etcd of ${node.name} is empty and waits`, deadlineMs: patience.bootMs, everyMs: 500,
          hint: `Look at \`talosctl -n ${node.address} service etcd\`; the board restarts for it.`, look: () => lookThrough(() => empty(host)),
        }, host);
      }
      await changeRecord(facts, (now) => ({ ...now, reset: (now.reset ?? []).filter((each) => each !== node.name) }));
    },
  };
}

/** Throws where any control plane's etcd has its quorum after all. */
async function requireDead(host: Host, facts: Facts): Promise<void> {
  for (const node of facts.cluster.nodes.filter(({ role }) => role === 'control plane')) {
    if (!await isQuorate(host, facts, node)) continue;
    throw problem('E_RESTORE_ALIVE', `etcd answers on ${node.name} after all: its quorum is back, and nothing of it was wiped`,
      `Give this restore up (firstlight restore ${facts.cluster.name} --give-up), and look again: \`firstlight status\`, then \`firstlight rebuild\` for what is dead.`, { where: { node: node.name } });
  }
}
