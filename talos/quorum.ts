import type { EtcdPhase } from './etcd.ts';
import type { EtcdMember, EtcdStatus } from './talosctl-etcd.ts';

/** Whether a member's etcd says in its log that it has streams to another member (by that member's hex id), or lost them. */
export type PeerSight = 'active' | 'inactive';

/**
 * What one declared control plane showed of its etcd, at `at` (milliseconds since 1970). `member` is its own hex id; `status`, `members`
 * (a linearizable read: it needs a quorum) and `peers` are there as far as they were answered.
 */
export type ControlPlaneLook = { readonly node: string; readonly address: string; readonly at: number } & (
  | { readonly asked: false; readonly seen: string }
  | {
    readonly asked: true; readonly phase: EtcdPhase; readonly detail: string; readonly member?: string; readonly status?: EtcdStatus;
    readonly members?: readonly EtcdMember[]; readonly peers?: ReadonlyMap<string, PeerSight>;
  });

/** The control plane that is to go. `member` is the hex id noted when the rebuild began, where it was known; `fenced` says who vouches that its board is off. */
export type Departing = { readonly node: string; readonly member?: string; readonly fenced?: 'switch' | 'person' };

/** A refusal; `passes` where it may end by itself (an election, a learner, a peer's time-out), so that looking again makes sense. */
export type QuorumRefusal = { readonly kind: 'refuse'; readonly reason: string; readonly hint: string; readonly passes: boolean };

/** What to do about a member: remove it by its hex `id` on the healthy control plane `on`; nothing, since it is `gone`; or nothing, for a reason. */
export type Removal = { readonly kind: 'remove'; readonly id: string; readonly on: string } | { readonly kind: 'gone' } | QuorumRefusal;

/** How old a look may be to count, in milliseconds: a leader that died is noticed within a second or two. */
export const FRESH_MS = 30_000;

/**
 * Decides whether the etcd member of a control plane that is to go may be removed. Pure. `looks` has one entry for each declared control
 * plane, the departing one among them, all taken within FRESH_MS before `now`.
 *
 * etcd and Talos list a dead member exactly as a live one (recorded). What counts as proof of death is all of this together: its board
 * is fenced; nobody answers at its address; no answering machine runs under its id; and no member says that it has a stream to it (where
 * only a person vouches for the fence, one of them must say that it lost it). A dead member's raft index can't be seen by others. What counts as a healthy voter: its service runs, it just answered its own status without
 * an error and with a leader, and it answered the list of members, for which it had to have a quorum.
 *
 * It never says `remove` for a live member, without a quorum of healthy voters both now (to commit the removal) and among those that
 * stay, while another member is missing, dead or learning, while lists differ, or for an id whose name and peer address are not the departing one's.
 */
export function removalDecision(looks: readonly ControlPlaneLook[], departing: Departing, now: number): Removal {
  const council = councilOf(looks, departing.node, now);
  if ('kind' in council) return council;
  const candidate = candidateOf(council, looks, departing);
  if ('kind' in candidate) return candidate;
  const { member } = candidate;
  if (!member) return majority(council) ?? { kind: 'gone' };
  const own = looks.find((look) => look.node === departing.node)!;
  if (own.asked) {
    return refuse(`${departing.node} answers (${own.detail}): a live member is never removed`, 'Switch its board off first; a machine that answers there although it is off is another one.');
  }
  const bearer = looks.find((look) => look.asked && [look.member, look.status?.member].some((id) => sameId(id, member.id)));
  if (bearer) return refuse(`the member ${member.id} of ${departing.node} runs on ${bearer.node}`, 'See `talosctl etcd members` and which machine has which address: none of them is to be removed like this.');
  if (departing.fenced === undefined) return refuse(`nobody vouches that the board of ${departing.node} is off`, 'Cut its power at the switch, or pull its cable and say so.');
  const witness = looks.find((look) => look.asked && sight(look.peers, member.id) === 'active');
  if (witness) {
    return refuse(`${witness.node} still has a connection to the etcd of ${departing.node}`,
      'Its etcd lives, or its end was not noticed yet: see that its board is off, and look again in some seconds.', true);
  }
  if (departing.fenced === 'person' && !looks.some((look) => look.asked && sight(look.peers, member.id) === 'inactive')) {
    return refuse(`no other control plane's etcd has told yet that its connection to ${departing.node} is lost, and no switch says that it is off`,
      `See that the board of ${departing.node} is really off, and look again in some seconds.`, true);
  }
  if (sameId(council.leader, member.id)) return refuse(`${departing.node} was the leader; the others have not chosen another one yet`, 'Look again in some seconds.', true);
  const healthy = council.voters.filter((voter) => voter.healthy);
  const on = healthy.find((voter) => sameId(voter.member.id, council.leader)) ?? healthy[0];
  return others(council, looks, departing.node, member) ?? { kind: 'remove', id: member.id, on: on!.look!.node };
}

/**
 * Decides whether a control plane may be switched off (or stay off) without the cluster losing its quorum: `stands`, or why not. Pure, and
 * as `removalDecision` besides: all others are healthy voters, and they are a majority of the members with the departing one still counted.
 */
export function departureDecision(looks: readonly ControlPlaneLook[], departing: Pick<Departing, 'node' | 'member'>, now: number): { readonly kind: 'stands' } | QuorumRefusal {
  const council = councilOf(looks, departing.node, now);
  if ('kind' in council) return council;
  const candidate = candidateOf(council, looks, departing);
  if ('kind' in candidate) return candidate;
  return (candidate.member ? others(council, looks, departing.node, candidate.member) : majority(council)) ?? { kind: 'stands' };
}

/** What the other control planes say together: the one list of members, each voter with its look and whether it is healthy, and their leader. */
type Council = {
  readonly members: readonly EtcdMember[];
  readonly voters: readonly { readonly member: EtcdMember; readonly look?: ControlPlaneLook; readonly healthy: boolean }[];
  readonly leader: string;
};

function councilOf(looks: readonly ControlPlaneLook[], departing: string, now: number): Council | QuorumRefusal {
  if (!looks.some((look) => look.node === departing)) return refuse(`${departing} was not looked at`, 'Look at every declared control plane before deciding.');
  if (looks.length === 1) return refuse(`${departing} is the only control plane: there is no quorum without it`, 'Its etcd comes back from a snapshot only.');
  const telling = looks.flatMap((look) => (look.asked && look.members && isFresh(look, now) ? [{ ...look, members: look.members }] : []));
  const [first] = telling.filter((look) => look.node !== departing);
  if (!first) {
    const silent = looks.filter((look) => look.node !== departing).map(told);
    return refuse(`no other control plane tells who the members of etcd are${silent.length > 0 ? `: ${silent.join('; ')}` : ''}`, NO_QUORUM);
  }
  const odd = telling.find((look) => listKey(look.members) !== listKey(first.members));
  if (odd) return refuse(`${first.node} and ${odd.node} list different members of etcd`, 'One of them is behind or of another cluster: look again in some seconds, and compare `talosctl etcd members` on both.', true);
  const { members } = first;
  const voters = members.filter((member) => !member.learner).map((member) => {
    const look = looks.find((each) => each.asked && sameId(each.status?.member, member.id));
    return { member, healthy: look !== undefined && look.node !== departing && isHealthy(look, member, now), ...(look === undefined ? {} : { look }) };
  });
  const leaders = new Map(voters.flatMap(({ healthy, look }) => (healthy && look?.asked && look.status ? [[`${idKey(look.status.leader)} ${look.status.raftTerm}`, look.status.leader]] : [])));
  if (leaders.size > 1) return refuse('the members of etcd name different leaders: an election is going on', 'Look again in some seconds.', true);
  return { members, voters, leader: [...leaders.values()][0] ?? '' };
}

function isHealthy(look: ControlPlaneLook, member: EtcdMember, now: number): boolean {
  if (!look.asked || look.phase !== 'running' || !look.status || !look.members || !isFresh(look, now)) return false;
  const { status } = look;
  return !status.learner && status.errors === '' && idKey(status.leader) !== idKey('0') && (look.member === undefined || sameId(look.member, member.id)) && isOf(member, look);
}

/** The member to remove: by the id noted before, else by name or peer address; undefined where there is none any more. */
function candidateOf({ members }: Council, looks: readonly ControlPlaneLook[], { node, member: noted }: Departing): { readonly member: EtcdMember | undefined } | QuorumRefusal {
  const own = looks.find((look) => look.node === node)!;
  const found = members.filter((member) => (noted === undefined ? isOf(member, own) : sameId(member.id, noted)));
  const [member, another] = found;
  if (another) {
    return refuse(`etcd has ${found.length} members that could be ${node}: ${found.map(({ id }) => id).join(', ')}`,
      'One of them may be alive: see `talosctl etcd members` and remove the dead one by hand.');
  }
  if (!member) return { member: undefined };
  const somebody = looks.find((look) => look.node !== node && isOf(member, look));
  if (somebody || !isOf(member, own)) {
    const name = member.hostname || 'no name';
    return refuse(`the member ${member.id} (${name}, ${member.peerUrls.join(', ') || 'no address'}) is not ${node} at ${own.address} alone`, 'See whose it is with `talosctl etcd members`; correct names and addresses in cluster.yaml.');
  }
  return { member };
}

/** Why the others would not stand without the departing member, or undefined. */
function others(council: Council, looks: readonly ControlPlaneLook[], departing: string, leaving: EtcdMember): QuorumRefusal | undefined {
  const short = majority(council, leaving);
  if (short) return short;
  const learner = council.members.find((member) => member.learner && !sameId(member.id, leaving.id));
  if (learner) return refuse(`${learner.hostname || learner.id} is only learning yet`, 'One control plane at a time: wait until it votes.', true);
  const missing = looks.find((look) => look.node !== departing && !council.members.some((member) => isOf(member, look)));
  if (missing) return refuse(`${missing.node} is no member of etcd at present`, `One control plane at a time: let ${missing.node} join first.`);
  const weak = council.voters.filter((voter) => !voter.healthy && !sameId(voter.member.id, leaving.id));
  if (weak.length === 0) return undefined;
  const names = weak.map(({ member }) => member.hostname || member.id).join(', ');
  return refuse(`${names} is not well either: ${weak.map(({ member, look }) => unwell(member, look ?? looks.find((each) => isOf(member, each)))).join('; ')}`,
    `One control plane at a time: bring ${names} back (power, network). A new member is let in only while all others are connected, so where both are gone for good, first remove each dead member by hand, one after another, on one that is healthy (\`talosctl etcd remove-member ID\`).`,
    weak.some(({ look }) => look?.asked === true));
}

/** Refuses unless the healthy voters are a majority now, and of those that stay. */
function majority({ voters }: Council, leaving?: EtcdMember): QuorumRefusal | undefined {
  const staying = voters.filter(({ member }) => !sameId(member.id, leaving?.id));
  const healthy = staying.filter((voter) => voter.healthy).length;
  const needed = Math.max(quorumOf(voters.length), quorumOf(staying.length));
  if (healthy >= needed) return undefined;
  return refuse(`of ${voters.length} voting members of etcd ${healthy} other${healthy === 1 ? ' is' : 's are'} healthy, and ${needed} would be needed`, NO_QUORUM);
}

/** How many of so many voters are a majority. */
export function quorumOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** Whether two member ids are one: hex, with or without leading zeros (etcd's log leaves them out). */
export function sameId(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && idKey(one) === idKey(other);
}

/** Whether a member is the control plane's: by its name, or by its peer address where its name is no declared one's to tell. */
function isOf(member: EtcdMember, { node, address }: Pick<ControlPlaneLook, 'node' | 'address'>): boolean {
  return member.hostname === node || member.peerUrls.some((url) => URL.canParse(url) && new URL(url).hostname === address);
}

function isFresh(look: ControlPlaneLook, now: number): boolean {
  return now - look.at <= FRESH_MS;
}

function listKey(members: readonly EtcdMember[]): string {
  return members.map(({ id, peerUrls, learner }) => `${idKey(id)} ${peerUrls.toSorted().join(',')} ${learner}`).toSorted().join('\n');
}

function idKey(id: string): string {
  return id.toLowerCase().replace(/^0+/, '');
}

function sight(peers: ReadonlyMap<string, PeerSight> | undefined, id: string): PeerSight | undefined {
  return [...peers ?? []].find(([peer]) => sameId(peer, id))?.[1];
}

function told(look: ControlPlaneLook): string {
  return `${look.node}: ${look.asked ? look.status?.errors || look.detail : look.seen}`;
}

function unwell(member: EtcdMember, look: ControlPlaneLook | undefined): string {
  return look === undefined ? `${member.hostname || member.id} is no declared control plane` : told(look);
}

const NO_QUORUM = 'Bring the other control planes back (power, network). Where they are gone for good, the way is `firstlight restore` from a snapshot.';

function refuse(reason: string, hint: string, passes = false): QuorumRefusal {
  return { kind: 'refuse', reason, hint, passes };
}
