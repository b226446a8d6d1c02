import assert from 'node:assert/strict';
import { test } from 'node:test';
import { removalDecision } from '../../talos/quorum.ts';
import { lookAtMember, parsePeers } from '../../talos/quorum-look.ts';
import { removeMember } from '../../talos/talosctl-etcd.ts';
import { problem } from '../../lib/errors.ts';
import type { Command, Host } from '../../lib/host.ts';
import { testHost } from '../support/host.ts';
import { recording, type Recorded } from './recorded.ts';

const access = (address: string) => ({ address, mode: 'secure', talosconfigPath: '/nowhere' }) as const;
const three = (name: string): Recorded => recording('three-control-planes', name);
const SILENCE = 'no answer';

/** Looks at a machine that answers by recordings, by the first words of the command; `SILENCE` hangs. */
async function at<T>(answers: Record<string, Pick<Recorded, 'exitCode' | 'stdout' | 'stderr'> | typeof SILENCE>, work: (host: Host) => Promise<T>): Promise<{ readonly value: T; readonly calls: string[] }> {
  const host = testHost();
  const calls: string[] = [];
  const run = async ({ args }: Command) => {
    const line = args.join(' ');
    calls.push(line);
    const found = Object.entries(answers).find(([start]) => line.startsWith(start))?.[1];
    assert.ok(found, line);
    if (found === SILENCE) throw problem('E_TIMEOUT', 'it took too long', 'none');
    return found;
  };
  try {
    return { value: await work({ ...host, run }), calls };
  } finally {
    host.remove();
  }
}

const NODES = [{ name: 'n1', address: '10.77.0.11' }, { name: 'n2', address: '10.77.0.12' }, { name: 'n3', address: '10.77.0.13' }] as const;
const OWN = ['252902638f78db76', '076d088459741835', '0e83d3ee632c8caf'];

/** One row of a recorded answer of several nodes. */
function rowOf(recorded: Recorded, address: string): Recorded {
  const [heading, ...rows] = recorded.stdout.split('\n');
  return { ...recorded, stdout: [heading, ...rows.filter((row) => row.startsWith(`${address} `)), ''].join('\n') };
}

/** The peers' log as etcd 3.6 writes it when a peer comes and is killed (id without its leading zero, as there). */
const LOG = [
  `10.77.0.11: {"level":"info","ts":"2026-11-22T16:04:00.1Z","caller":"rafthttp/peer.go:127","msg":"starting remote peer","remote-peer-id":"76d088459741835"}`,
  `10.77.0.11: {"level":"info","ts":"2026-11-22T16:04:01.1Z","caller":"rafthttp/peer_status.go:53","msg":"peer became active","peer-id":"76d088459741835"}`,
  `10.77.0.11: {"level":"info","ts":"2026-11-22T16:04:01.2Z","caller":"rafthttp/peer_status.go:53","msg":"peer became active","peer-id":"e83d3ee632c8caf"}`,
  `10.77.0.11: {"level":"info","ts":"2026-11-22T16:04:01.3Z","caller":"rafthttp/stream.go:273","msg":"established TCP streaming connection with remote peer","stream-writer-type":"stream MsgApp v2","local-member-id":"252902638f78db76","remote-peer-id":"e83d3ee632c8caf"}`,
  `10.77.0.11: {"level":"warn","ts":"2026-11-22T16:06:00.1Z","caller":"rafthttp/peer_status.go:66","msg":"peer became inactive (message send to peer failed)","peer-id":"e83d3ee632c8caf","error":"failed to read e83d3ee632c8caf on stream Message (unexpected EOF)"}`,
  `10.77.0.11: {"level":"warn","ts":"2026-11-22T16:06:04.1Z","caller":"etcdserver/cluster_util.go:261","msg":"failed to reach the peer URL","address":"https://10.77.0.13:2380/version","remote-member-id":"e83d3ee632c8caf","error":"dial tcp"}`, '',
].join('\n');

test('with one of three dead as recorded, its member is removed by its hex id on the leader', async () => {
  const looks = await Promise.all(NODES.map(async (node, index) => {
    const answers = index === 2 ? { 'service etcd': recording('errors', 'container mode: service etcd after it') } : {
      'service etcd': three('n3 dead: service etcd on n1'),
      'get etcdmembers': { exitCode: 0, stdout: recording('bootstrapped', 'get etcdmembers json').stdout.replaceAll(OWN[0]!, OWN[index]!), stderr: '' },
      'etcd members': three('n3 dead: etcd members on n1'),
      'etcd status': rowOf(three('n3 dead: etcd status on n1 and n2'), node.address),
      'logs etcd': index === 0 ? { exitCode: 0, stdout: LOG, stderr: '' } : SILENCE,
    } as const;
    return (await at(answers, (host) => lookAtMember(host, node, access(node.address)))).value;
  }));
  assert.deepEqual(looks.map((look) => look.asked), [true, true, false]);
  assert.ok(looks[0]!.asked && looks[1]!.asked && looks[1]!.peers === undefined);
  assert.deepEqual(looks[0]!.peers, new Map([['076d088459741835', 'active'], ['0e83d3ee632c8caf', 'inactive']]));
  assert.equal(looks[1]!.member, OWN[1]);
  const now = Date.now();
  assert.deepEqual(removalDecision(looks, { node: 'n3', fenced: 'person' }, now), { kind: 'remove', id: OWN[2], on: 'n2' });
  assert.match((removalDecision(looks, { node: 'n2', fenced: 'switch' }, now) as { reason: string }).reason, /n2 answers .*: a live member is never removed/);
  const removed = await at({ 'etcd remove-member 0e83d3ee632c8caf': three('n3 dead: remove-member on n1') }, (host) => removeMember(host, access('10.77.0.11'), OWN[2]!));
  assert.equal(removed.value, 'removed');
});

test('with two of three dead as recorded, nothing is removed: the calls that hang are left out', async () => {
  const survivor = await at({
    'service etcd': three('n3 dead: service etcd on n1'), 'get etcdmembers': recording('bootstrapped', 'get etcdmembers json'),
    'etcd members': three('two dead: etcd members'), 'etcd status': three('two dead: etcd status'), 'logs etcd': SILENCE,
  }, (host) => lookAtMember(host, NODES[0], access(NODES[0].address)));
  const silent = (index: 1 | 2) => ({ node: NODES[index].name, address: NODES[index].address, at: Date.now(), asked: false as const, seen: 'no route to host' });
  const decision = removalDecision([survivor.value, silent(1), silent(2)], { node: 'n3', fenced: 'switch' }, Date.now());
  assert.ok(decision.kind === 'refuse' && !decision.passes);
  assert.match(`${decision.reason} ${decision.hint}`, /no other control plane tells.*n2: no route to host.*firstlight restore/);
});

test('before its bootstrap, etcd itself is not asked: those calls hang', async () => {
  const { value, calls } = await at({ 'service etcd': recording('applied-controlplane-before-bootstrap', 'service etcd'), 'get etcdmembers': recording('applied-controlplane-before-bootstrap', 'get etcdmembers yaml') },
    (host) => lookAtMember(host, NODES[0], access(NODES[0].address)));
  assert.deepEqual({ ...value, at: 0 }, { node: 'n1', address: '10.77.0.11', at: 0, asked: true, phase: 'preparing', detail: 'etcd is Preparing: Running pre state' });
  assert.ok(calls.every((line) => !/^(etcd|logs)/.test(line)));
});

test('a member that is gone already, a name in place of an id, and an etcd that refuses', async () => {
  for (const name of ['remove-member: id unknown', 'remove-member: same id again']) {
    assert.equal((await at({ 'etcd remove-member': three(name) }, (host) => removeMember(host, access('10.77.0.11'), '00000000deadbeef'))).value, 'gone');
  }
  await assert.rejects(at({}, (host) => removeMember(host, access('10.77.0.11'), 'n3')), { code: 'E_ETCD_MEMBER_ID' });
  const refused = { exitCode: 1, stdout: '', stderr: '1 error occurred:\n\t* 10.77.0.11: rpc error: code = Unavailable desc = failed to remove member 1: etcdserver: unhealthy cluster\n' };
  await assert.rejects(at({ 'etcd remove-member': refused }, (host) => removeMember(host, access('10.77.0.11'), '1')), { code: 'E_TALOS_ETCD_REFUSED' });
  await assert.rejects(at({ 'etcd remove-member': SILENCE }, (host) => removeMember(host, access('10.77.0.11'), '1')), { code: 'E_TALOS_HANG' });
});

test('a peer that comes back is active again, one that etcd only starts to look for is unknown', () => {
  const line = (msg: string): string => `{"msg":"${msg}","remote-peer-id":"e83d3ee632c8caf"}`;
  assert.equal(parsePeers(`${LOG}${line('established TCP streaming connection with remote peer')}`).get(OWN[2]!), 'active');
  assert.equal(parsePeers(`${LOG}${line('starting remote peer')}`).get(OWN[2]!), undefined);
  assert.equal(parsePeers(`${line('starting remote peer')}\n${line('prober detected unhealthy status')}`).get(OWN[2]!), 'inactive');
});
