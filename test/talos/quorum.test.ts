import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { departureDecision, FRESH_MS, quorumOf, removalDecision, type ControlPlaneLook, type Departing, type PeerSight } from '../../talos/quorum.ts';
import type { EtcdMember, EtcdStatus } from '../../talos/talosctl-etcd.ts';

const NOW = 1_000_000;
const id = (index: number): string => `0${(index + 1).toString(16)}`.padEnd(16, 'a');
const name = (index: number): string => `cp-${index + 1}`;
const address = (index: number): string => `10.0.0.${index + 1}`;

/** A control plane as it truly is; `asked` says whether the desk reaches its Talos, `heard` whether its log tells of its peers. */
type Truth = { readonly member: 'voter' | 'learner' | 'none'; readonly runs: boolean; readonly asked: boolean; readonly heard: boolean; readonly old: boolean };

function listed(truths: readonly Truth[]): EtcdMember[] {
  return truths.flatMap(({ member }, index) => (member === 'none' ? [] : [{
    id: id(index), hostname: name(index), peerUrls: [`https://${address(index)}:2380`], clientUrls: [`https://${address(index)}:2379`], learner: member === 'learner',
  }]));
}

/** How many voters there are and how many run, `without` one of them where told. */
function votes(truths: readonly Truth[], without?: number): { readonly all: number; readonly running: number } {
  const voters = truths.filter((truth, index) => truth.member === 'voter' && index !== without);
  return { all: voters.length, running: voters.filter((truth) => truth.runs).length };
}

/** What the desk sees of the truth: by etcd's rules, with nothing invented but what is `old`, from before anything died. */
function looksAt(truths: readonly Truth[], now = true): ControlPlaneLook[] {
  const { all, running } = votes(truths);
  const quorum = running >= quorumOf(all);
  const leader = quorum ? truths.findIndex((truth) => truth.member === 'voter' && truth.runs) : -1;
  return truths.map((truth, index): ControlPlaneLook => {
    const whose = { node: name(index), address: address(index) };
    if (truth.old && now) return { ...looksAt(truths.map((each) => ({ ...each, runs: true, asked: true, old: false })), false)[index]!, at: NOW - FRESH_MS - 1 };
    if (!truth.asked) return { ...whose, at: NOW, asked: false, seen: 'no route to host' };
    if (!truth.runs || truth.member === 'none') return { ...whose, at: NOW, asked: true, phase: 'preparing', detail: 'etcd is Preparing: Running pre state' };
    const status: EtcdStatus = {
      member: id(index), leader: leader < 0 ? '0000000000000000' : id(leader), raftIndex: 500n, raftTerm: 3n, learner: truth.member === 'learner',
      protocol: '3.6.4', dbSize: '1 MB', errors: leader < 0 ? 'etcdserver: no leader' : '',
    };
    const peers = new Map<string, PeerSight>(truths.flatMap((peer, other) => (other === index || peer.member === 'none' ? [] : [[id(other), peer.runs ? 'active' : 'inactive']])));
    return { ...whose, at: NOW, asked: true, phase: 'running', detail: 'etcd is Running', member: id(index), status, ...(quorum ? { members: listed(truths) } : {}), ...(truth.heard ? { peers } : {}) };
  });
}

const truth = fc.record<Truth>({
  member: fc.oneof({ weight: 10, arbitrary: fc.constant('voter' as const) }, { weight: 1, arbitrary: fc.constantFrom('learner' as const, 'none' as const) }),
  runs: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  asked: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  heard: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  old: fc.oneof({ weight: 12, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

const situation = fc.record({
  // Half of the targets are as a rebuild expects them: dead and silent.
  truths: fc.tuple(fc.array(truth, { minLength: 1, maxLength: 7 }), fc.boolean(), fc.nat()).map(([all, dead, at]): { all: Truth[]; target: number } => {
    const target = at % all.length;
    return { target, all: all.map((each, index) => (index === target && dead ? { ...each, runs: false, asked: false, old: false } : each)) };
  }),
  noted: fc.oneof({ weight: 3, arbitrary: fc.constant('none' as const) }, { weight: 3, arbitrary: fc.constant('own' as const) }, { weight: 1, arbitrary: fc.constantFrom('other' as const, 'unknown' as const) }),
  fence: fc.oneof({ weight: 4, arbitrary: fc.constant('switch' as const) }, { weight: 3, arbitrary: fc.constant('person' as const) }, { weight: 1, arbitrary: fc.constant(undefined) }),
  behind: fc.oneof({ weight: 8, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat() }),
  backwards: fc.boolean(),
});

test('the removal of a live member or one that the quorum needs is refused in every state, and each that is allowed leaves a quorum', () => {
  const counts = { remove: 0, gone: 0, refuse: 0, live: 0, needed: 0 };
  fc.assert(fc.property(situation, ({ truths: { all, target }, noted, fence, behind, backwards }) => {
    // A switch does not lie about its port: what it cut off does not run. A person may be mistaken.
    const truths = all.map((each, index) => (index === target && fence === 'switch' ? { ...each, runs: false, asked: false } : each));
    const member = noted === 'none' ? undefined : noted === 'own' ? id(target) : noted === 'other' ? id((target + 1) % truths.length) : 'dddddddddddddddd';
    const departing: Departing = { node: name(target), ...(member === undefined ? {} : { member }), ...(fence === undefined ? {} : { fenced: fence }) };
    let looks = looksAt(truths);
    // One of several tells another list.
    if (behind !== undefined && looks.filter((look) => look.asked && look.members && look.at === NOW).length > 1) {
      looks = looks.map((look, index) => (index === behind % looks.length && look.asked && look.members ? { ...look, members: look.members.slice(0, -1) } : look));
    }
    const decision = removalDecision(backwards ? looks.toReversed() : looks, departing, NOW);
    counts[decision.kind] += 1;
    const [now, then] = [votes(truths), votes(truths, target)];
    const runs = truths[target]!.runs && truths[target]!.member !== 'none';
    if (runs) counts.live += 1;
    const needed = now.running - Number(runs && truths[target]!.member === 'voter') < quorumOf(now.all);
    if (needed) counts.needed += 1;
    if (decision.kind === 'refuse') return assert.ok(decision.reason.length > 10 && decision.hint.length > 10);
    assert.ok(!needed, 'without a quorum neither a removal nor its absence can be told');
    if (decision.kind === 'gone') return assert.ok(truths[target]!.member === 'none' || noted === 'unknown' || (noted === 'other' && truths[(target + 1) % truths.length]!.member === 'none'));
    assert.equal(decision.id, id(target), 'only the member of that name and address');
    assert.ok(!runs && fence !== undefined, 'it is dead and fenced');
    assert.ok(then.running >= quorumOf(then.all) && then.running >= quorumOf(now.all), 'a quorum commits it and stays');
    assert.ok(truths.every((each, index) => index === target || (each.member === 'voter' && each.runs)), 'nobody else is missing, dead or learning');
    assert.notEqual(decision.on, name(target));
    assert.deepEqual(departureDecision(looks, departing, NOW), { kind: 'stands' });
  }), { numRuns: 20_000 });
  assert.ok(counts.remove > 500 && counts.gone > 100 && counts.live > 2_000 && counts.needed > 2_000, JSON.stringify(counts));
});

test('a dead, fenced member is removed whenever all others are well, and one that is to be switched off may be, of three or more', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 7 }), fc.nat(), fc.boolean(), fc.boolean(), fc.constantFrom('switch' as const, 'person' as const), (count, at, noted, learner, fenced) => {
    const target = at % count;
    const truths = Array.from({ length: count }, (_, index): Truth => ({ member: index === target && learner ? 'learner' : 'voter', runs: true, asked: true, heard: true, old: false }));
    const departing: Departing = { node: name(target), fenced, ...(noted ? { member: id(target) } : {}) };
    const enough = count >= (learner ? 2 : 3);
    assert.equal(departureDecision(looksAt(truths), departing, NOW).kind, enough ? 'stands' : 'refuse');
    assert.equal(removalDecision(looksAt(truths), departing, NOW).kind, 'refuse', 'it lives');
    const dead = truths.map((each, index) => (index === target ? { ...each, runs: false, asked: false } : each));
    assert.equal(removalDecision(looksAt(dead), departing, NOW).kind, enough ? 'remove' : 'refuse');
  }), { numRuns: 1_000 });
});

/** Three control planes, the third dead, with a change to what is seen. */
function dead(change: (looks: ControlPlaneLook[]) => ControlPlaneLook[] = (looks) => looks): ControlPlaneLook[] {
  const well: Truth = { member: 'voter', runs: true, asked: true, heard: true, old: false };
  return change(looksAt([well, well, { ...well, runs: false, asked: false }]));
}
type Asked = Extract<ControlPlaneLook, { asked: true }>;
const all = (change: (look: Asked) => object) => (looks: ControlPlaneLook[]): ControlPlaneLook[] => looks.map((look) => (look.asked ? { ...look, ...change(look) } : look));
const first = (change: (look: Asked) => object) => (looks: ControlPlaneLook[]): ControlPlaneLook[] => looks.map((look, index) => (look.asked && index === 0 ? { ...look, ...change(look) } : look));
const third = (change: Partial<EtcdMember>) => all((look) => ({ members: look.members!.map((each, index) => (index === 2 ? { ...each, ...change } : each)) }));

const TABLE: readonly [string, (looks: ControlPlaneLook[]) => ControlPlaneLook[], Partial<Departing>, 'remove' | 'gone' | RegExp][] = [
  ['it is dead and off', (looks) => looks, {}, 'remove'],
  ['a new learner has no name yet', third({ hostname: '', learner: true }), {}, 'remove'],
  ['Talos gave it a name of its own', third({ hostname: 'talos-abc-def' }), {}, 'remove'],
  ['its address was another one', third({ peerUrls: ['https://10.0.0.77:2380'] }), {}, 'remove'],
  ['ids are told without leading zeros', all((look) => ({ status: { ...look.status!, member: look.status!.member.slice(1) } })), { member: id(2).slice(1) }, 'remove'],
  ['the noted member is gone and another has its name', (looks) => looks, { member: 'dddddddddddddddd' }, 'gone'],
  ['the noted member is another node’s', (looks) => looks, { member: id(0) }, /is not cp-3/],
  ['its member has another node’s address', third({ peerUrls: ['https://10.0.0.1:2380'] }), {}, /is not cp-3 at 10\.0\.0\.3 alone/],
  ['two members have its name', all((look) => ({ members: [...look.members!, { ...look.members![2]!, id: 'dddddddddddddddd' }] })), {}, /2 members that could be cp-3/],
  ['nobody vouches for the fence', (looks) => looks, { fenced: undefined as never }, /nobody vouches/],
  ['its machine answers, though its etcd does not', (looks) => looks.map((look, index) => (index === 2 ? { node: 'cp-3', address: address(2), at: NOW, asked: true, phase: 'failed', detail: 'etcd is Failed' } : look)), {}, /cp-3 answers \(etcd is Failed\)/],
  ['a peer still hears it', first(() => ({ peers: new Map([[id(2).slice(1), 'active']]) })), {}, /cp-1 still has a connection/],
  ['a person vouches, and no peer has lost it', all(() => ({ peers: new Map() })), { fenced: 'person' }, /no switch says/],
  ['it was the leader just now', all((look) => ({ status: { ...look.status!, leader: id(2) } })), {}, /was the leader/],
  ['another machine bears its id', first(() => ({ member: id(2) })), {}, /runs on cp-1/],
  ['an election is going on', first((look) => ({ status: { ...look.status!, raftTerm: 4n } })), {}, /election/],
  ['lists differ', first((look) => ({ members: look.members!.slice(1) })), {}, /list different members/],
  ['another one’s etcd has an error', first((look) => ({ status: { ...look.status!, errors: 'alarm:NOSPACE' } })), {}, /of 3 voting members of etcd 1 other is healthy/],
  ['it was not looked at', (looks) => looks.slice(0, 2), {}, /was not looked at/],
  ['a stranger is a member', all((look) => ({ members: [...look.members!, { id: 'dddddddddddddddd', hostname: 'x', peerUrls: ['https://10.0.0.9:2380'], clientUrls: [], learner: false }] })), {}, /of 4 voting members/],
];

for (const [what, change, departing, expected] of TABLE) {
  test(`a member’s removal when ${what}: ${expected instanceof RegExp ? 'refused' : expected}`, () => {
    const decision = removalDecision(dead(change), { node: 'cp-3', fenced: 'switch', ...departing }, NOW);
    if (typeof expected === 'string') assert.equal(decision.kind, expected, JSON.stringify(decision));
    else assert.match(decision.kind === 'refuse' ? decision.reason : decision.kind, expected);
    if (decision.kind === 'remove') assert.deepEqual(decision, { kind: 'remove', id: id(2), on: 'cp-1' });
  });
}
