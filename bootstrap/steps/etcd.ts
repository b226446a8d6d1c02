import { waitFor, type Look } from '../../lib/conditions.ts';
import { FirstlightError, problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { readLock, updateLock } from '../../lib/lock-file.ts';
import { bootstrapDecision, type BootstrapDecision } from '../../talos/bootstrap-decision.ts';
import { lookThrough } from '../../talos/errors.ts';
import { observeEtcd } from '../../talos/etcd.ts';
import { bootstrapEtcd, etcdMembers } from '../../talos/talosctl-etcd.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import type { Access } from '../../talos/talosctl.ts';
import type { Facts } from '../facts.ts';
import type { Step } from '../step.ts';

/**
 * A lost etcd is made anew: it was decided, and is on disk, where its data comes from. `begin` sends the one call to the control plane
 * that is first; `prove` throws where a machine answers for a control plane that must not be taken for it (its old board).
 */
export type EtcdRecovery = { readonly title: string; readonly danger: string; readonly begin: (host: Host, access: Access) => Promise<void>; readonly prove: (host: Host, node: ClusterNode) => Promise<void> };

/** Milliseconds before the call may be sent again: Talos would take it until the data is there, and begin anew each time. */
const AGAIN_MS = 30_000;

/**
 * etcd, bootstrapped once, ever. Every control plane is looked at first; the intent is in the lock file (fsynced) before the
 * call is sent; and the lock file says `finished` once members were seen, from when on an empty etcd is a loss to restore:
 * with a `recovery` it is.
 */
export function etcdStep(facts: Facts, needs: readonly string[], deadlineMs: number, recovery?: EtcdRecovery): Step {
  const told = { at: Number.NEGATIVE_INFINITY };
  return {
    id: 'etcd',
    part: 'etcd',
    title: recovery?.title ?? 'etcd',
    needs,
    danger: recovery?.danger ?? 'etcd is bootstrapped once in the life of a cluster.',
    async observe(host) {
      const seen = await lookThrough(() => look(facts, host, recovery));
      return seen.met ? { state: 'done', detail: seen.value } : { state: 'needed', why: seen.seen };
    },
    async act(host) {
      await waitFor({
        name: 'etcd runs with every control plane as a voting member',
        deadlineMs, everyMs: 500,
        hint: 'Look at `talosctl service etcd` and `talosctl logs etcd` on the control planes.',
        look: () => lookThrough(() => advance(facts, host, told, recovery)),
      }, host);
      const { node } = await decide(facts, host, recovery) as { readonly node: string };
      await updateLock(facts.lockFile, { etcd: { node: (await readLock(facts.lockFile)).etcd?.node ?? node, finished: true } });
    },
  };
}

/** One look that changes nothing; met with the members told when all is there and recorded. */
async function look(facts: Facts, host: Host, recovery?: EtcdRecovery): Promise<Look<string>> {
  const decision = await decide(facts, host, recovery);
  if (decision.kind === 'refuse') throw problem('E_ETCD_REFUSED', decision.reason, decision.hint);
  if (decision.kind === 'wait') return { met: false, seen: decision.reason };
  if (decision.kind === 'bootstrap') return { met: false, seen: `no control plane has an etcd; ${decision.node} is first` };
  const members = await missingMembers(facts, host, decision.node);
  if (members.waiting) return { met: false, seen: members.waiting };
  if (!(await readLock(facts.lockFile)).etcd?.finished) return { met: false, seen: 'it runs; to be recorded as bootstrapped' };
  return { met: true, value: members.told };
}

/** One look, and the bootstrap itself where that look says so. */
async function advance(facts: Facts, host: Host, told: { at: number }, recovery?: EtcdRecovery): Promise<Look<boolean>> {
  const decision = await decide(facts, host, recovery);
  if (decision.kind === 'refuse') throw problem('E_ETCD_REFUSED', decision.reason, decision.hint);
  if (decision.kind === 'wait') return { met: false, seen: decision.reason };
  if (decision.kind === 'done') {
    const { waiting } = await missingMembers(facts, host, decision.node);
    return waiting ? { met: false, seen: waiting } : { met: true, value: true };
  }
  if (host.clock.now() - told.at < AGAIN_MS) return { met: false, seen: `${decision.node} was told to bootstrap` };
  await updateLock(facts.lockFile, { etcd: { node: decision.node } });
  host.emit({ code: 'intent.bootstrap', node: decision.node, message: `bootstrap etcd on ${decision.node}` });
  const taken = await (recovery?.begin ?? bootstrapEtcd)(host, await access(facts, host, decision.node)).then(() => true, (error: unknown) => {
    if (error instanceof FirstlightError && ['E_TALOS_NOT_READY', 'E_TALOS_ALREADY'].includes(error.code)) return false;
    throw error;
  });
  if (taken) told.at = host.clock.now();
  return { met: false, seen: `${decision.node} was told to bootstrap` };
}

async function decide(facts: Facts, host: Host, recovery?: EtcdRecovery): Promise<BootstrapDecision> {
  const nodes = controlPlanes(facts);
  if (recovery) for (const node of nodes) await recovery.prove(host, node);
  const observations = await Promise.all(nodes.map(async (node) => observeEtcd(host, node.name, await facts.access(host, node))));
  return bootstrapDecision(nodes.map((node) => node.name), observations, (await readLock(facts.lockFile)).etcd, recovery !== undefined);
}

/** Compares etcd's own member list with the declared control planes: all there, all voting, nobody else. */
async function missingMembers(facts: Facts, host: Host, node: string): Promise<{ readonly waiting?: string; readonly told: string }> {
  const members = await etcdMembers(host, await access(facts, host, node), 10_000);
  const declared = controlPlanes(facts).map((each) => each.name);
  const strangers = members.filter((member) => member.hostname !== '' && !declared.includes(member.hostname));
  if (strangers.length > 0) {
    throw problem('E_ETCD_STRANGER', `etcd has a member that is not declared: ${strangers.map((member) => `${member.hostname} (${member.id})`).join(', ')}`,
      'If that machine is gone for good, remove the member by its id on a healthy one; if it lives, declare it.');
  }
  const voting = members.filter((member) => !member.learner).map((member) => member.hostname);
  const missing = declared.filter((name) => !voting.includes(name));
  const told = members.map((member) => `${member.hostname} ${member.id}`).join(', ');
  return missing.length > 0 ? { waiting: `not voting yet: ${missing.join(', ')}`, told } : { told };
}

function controlPlanes(facts: Facts) {
  return facts.cluster.nodes.filter((node) => node.role === 'control plane');
}

function access(facts: Facts, host: Host, name: string) {
  return facts.access(host, controlPlanes(facts).find((node) => node.name === name)!);
}
