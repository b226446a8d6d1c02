import { waitFor, type Look } from '../../lib/conditions.ts';
import { problem } from '../../lib/errors.ts';
import type { Host } from '../../lib/host.ts';
import { removeMember } from '../../talos/talosctl-etcd.ts';
import { departureDecision, quorumOf, removalDecision, sameId, type ControlPlaneLook, type Departing, type QuorumRefusal, type Removal } from '../../talos/quorum.ts';
import { lookAtMember } from '../../talos/quorum-look.ts';
import type { Step } from '../step.ts';
import { stillFenced } from '../steps/fence.ts';
import { incarnationOf } from './incarnation.ts';
import type { Rebuild } from './rebuild-of.ts';

/** Milliseconds for what passes by itself: an election, a peer's time-out, a learner on its way. */
const PASSING_MS = 90_000;

/** The others stand without this control plane: asked before anything is done to it, where it may still be alive. A look; throws `E_QUORUM` where they don't. */
export function quorumStep(rebuild: Rebuild, needs: readonly string[]): Step {
  const { node } = rebuild;
  const look = async (host: Host): Promise<Look<string>> => {
    if (await incarnationOf(host, rebuild) === 'new') return { met: true, value: 'it runs from its new card' };
    const looks = await looksAt(rebuild, host);
    const decision = departureDecision(looks, departing(rebuild), host.clock.now());
    return decision.kind === 'stands' ? { met: true, value: `etcd keeps its quorum without ${node.name}: ${votersText(looks)}` } : { met: false, seen: notYet(node.name, decision) };
  };
  return {
    id: `quorum:${node.name}`, part: 'Quorum', title: `etcd stands without ${node.name}`, node: node.name, needs,
    async observe(host) {
      const seen = await look(host);
      return seen.met ? { state: 'done', detail: seen.value } : { state: 'needed', why: seen.seen };
    },
    act: async (host) => { await waitFor({ name: `etcd stands without ${node.name}`, deadlineMs: PASSING_MS, everyMs: 2_000, hint: LOOK, look: () => look(host) }, host); },
  };
}

/** The dead member is out of etcd, by its hex id, on a healthy control plane; decided anew from looks at all of them just before. Throws `E_QUORUM`. */
export function removalStep(rebuild: Rebuild, needs: readonly string[]): Step {
  const { facts, node } = rebuild;
  const look = async (host: Host): Promise<Removal> => {
    if (await incarnationOf(host, rebuild) === 'new') return { kind: 'gone' };
    return removalDecision(await looksAt(rebuild, host), departing(rebuild), host.clock.now());
  };
  return {
    id: `member:${node.name}`, part: 'Evict', title: `The old member of ${node.name} is out of etcd`, node: node.name, needs,
    danger: `The etcd member of ${node.name} is removed.`,
    async observe(host) {
      const seen = await look(host);
      if (seen.kind === 'gone') return { state: 'done', detail: 'no member of the old board is left' };
      if (seen.kind === 'remove') return { state: 'needed', why: `${seen.id} is still listed` };
      return { state: 'needed', why: seen.reason };
    },
    async act(host) {
      await waitFor({
        name: `the etcd member of ${node.name} may be removed, and is`, deadlineMs: PASSING_MS, everyMs: 2_000, hint: LOOK,
        look: async () => {
          await stillFenced(facts, host, node);
          const seen = await look(host);
          if (seen.kind === 'gone') return { met: true, value: true };
          if (seen.kind === 'refuse') return { met: false, seen: notYet(node.name, seen) };
          const on = facts.cluster.nodes.find((each) => each.name === seen.on)!;
          host.emit({ code: 'intent.remove-member', message: `remove etcd member ${seen.id} of ${node.name}, on ${on.name}` });
          await removeMember(host, await facts.access(host, on), seen.id);
          return { met: false, seen: `${seen.id} was removed on ${on.name}` };
        },
      }, host);
    },
  };
}

/** How far apart the members' raft indexes may be to count as one: writes go on while they are asked one after another. */
const APART = 500n;

/** All control planes tell the same of etcd: members, leader, term; all vote, without an error, at nearly one index. */
export function agreementStep(rebuild: Rebuild, needs: readonly string[]): Step {
  const look = async (host: Host): Promise<Look<string>> => agreement(await looksAt(rebuild, host));
  return {
    id: 'etcd-agrees', part: 'Rejoin', title: 'etcd is one and whole', needs,
    async observe(host) {
      const seen = await look(host);
      return seen.met ? { state: 'done', detail: seen.value } : { state: 'needed', why: seen.seen };
    },
    act: async (host) => { await waitFor({ name: 'all control planes tell the same of etcd', deadlineMs: PASSING_MS, everyMs: 1_000, hint: LOOK, look: () => look(host) }, host); },
  };
}

/** Whether looks at all control planes agree; pure. */
export function agreement(looks: readonly ControlPlaneLook[]): Look<string> {
  const silent = looks.flatMap((each) => (!each.asked ? [`${each.node}: ${each.seen}`] : !each.status || !each.members ? [`${each.node}: ${each.detail}`] : []));
  if (silent.length > 0) return { met: false, seen: silent.join('; ') };
  const told = looks.flatMap((each) => (each.asked && each.status && each.members ? [{ node: each.node, status: each.status, members: each.members }] : []));
  const faults = told.flatMap(({ node, status, members }) => [
    ...(status.errors === '' ? [] : [`${node}: ${status.errors}`]), ...(status.learner ? [`${node} is only learning yet`] : []),
    ...(members.length === told.length ? [] : [`${node} lists ${members.length} members, ${told.length} control planes are declared`]),
    ...(told.some((other) => sameId(other.status.member, status.leader)) ? [] : [`${node} has the leader ${status.leader}, which is none of them`]),
  ]);
  const [leaders, terms] = [new Set(told.map(({ status }) => status.leader)), new Set(told.map(({ status }) => status.raftTerm))];
  if (leaders.size > 1 || terms.size > 1) faults.push('they name different leaders or terms');
  const indexes = told.map(({ status }) => status.raftIndex).toSorted((one, other) => (one < other ? -1 : 1));
  if (indexes.at(-1)! - indexes[0]! > APART) faults.push(`their raft indexes are ${indexes.at(-1)! - indexes[0]!} apart`);
  if (faults.length > 0) return { met: false, seen: faults.join('; ') };
  const leader = told.find((each) => sameId(each.status.member, each.status.leader))!.node;
  return { met: true, value: `${told.length} voting members, leader ${leader} in term ${told[0]!.status.raftTerm}, at index ${indexes.at(-1)}` };
}

async function looksAt({ facts }: Rebuild, host: Host): Promise<readonly ControlPlaneLook[]> {
  const controlPlanes = facts.cluster.nodes.filter((each) => each.role === 'control plane');
  return Promise.all(controlPlanes.map(async (each) => lookAtMember(host, each, await facts.access(host, each))));
}

/** The member as it was noted when the rebuild began, and who vouches for the fence: only the switch saw that the board is off. */
function departing({ facts, node, record }: Rebuild): Departing {
  const fence = facts.fences.get(node.name);
  return { node: node.name, ...(record.member === undefined ? {} : { member: record.member }), ...(fence === undefined ? {} : { fenced: fence.by === 'switch' ? 'switch' : 'person' }) };
}

const LOOK = 'See `talosctl etcd members` and `talosctl etcd status` on each control plane.';

/** The reason of a refusal that may pass; any other is thrown. */
function notYet(node: string, refusal: QuorumRefusal): string {
  if (refusal.passes) return refusal.reason;
  throw problem('E_QUORUM', `${node}: ${refusal.reason}`, refusal.hint, { where: { node } });
}

function votersText(looks: readonly ControlPlaneLook[]): string {
  const members = looks.flatMap((each) => (each.asked && each.members ? [each.members] : []))[0] ?? [];
  const voters = members.filter((member) => !member.learner).length;
  return `${voters} voters, ${quorumOf(voters)} are a majority`;
}
