import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Archive } from '../../../bootstrap/archive/types.ts';
import { judgeNas } from '../../../bootstrap/restore/look-nas.ts';
import type { EtcdSight, Proven, RestoreLook } from '../../../bootstrap/restore/types.ts';
import { judge, sourceOf } from '../../../bootstrap/restore/verdict.ts';
import type { Lun } from '../../../nodes/cluster.ts';
import { lookData, lookText } from '../../../scripts/terminal/restore.ts';
import type { NasContents } from '../../../storage/findings.ts';
import { exampleCluster } from '../../talos/example.ts';

const AT = Date.parse('2026-11-23T08:00:00Z');
const cluster = exampleCluster('/nowhere');
const proven = (named = false): Proven => ({
  name: 'gandalf-20261123T072500Z.firstlight', named, proof: {} as Proven['proof'],
  archive: { sha256: 'a'.repeat(64), signer: 'pinned', manifest: { at: '2026-11-23T07:25:00Z', missing: [{ part: 'vault.json', why: 'silent' }], etcd: { revision: 100, objects: [{ kind: 'secrets', namespace: 'apps', count: 2 }] } } } as unknown as Archive,
});
const dead: EtcdSight = { kind: 'lost', why: 'cp-1: nothing answers', holding: [] };
const lives: EtcdSight = { kind: 'lives', node: 'cp-1', revision: 150 };
const look = (change: Partial<RestoreLook> = {}, lost: readonly string[] = []): RestoreLook => ({
  at: AT, etcd: lives, ...change,
  nodes: cluster.nodes.map((node) => (lost.includes(node.name) ? { node, state: 'lost', seen: 'no board answers' } : { node, state: 'configured', seen: `answers at ${node.address}` })),
});
const codes = (change: Partial<RestoreLook>, lost: readonly string[] = [], named = false) => judge(cluster, look(change, lost), proven(named)).refusals.map(({ error, forcible }) => `${error.code}${forcible ? '?' : ''}`);

test('a cluster that lives is never gone back in, whatever is forced', () => {
  assert.deepEqual(codes({}), ['E_RESTORE_OLDER']);
  assert.match(judge(cluster, look(), proven()).refusals[0]!.error.message, /50 revisions and 2,100 seconds would be lost/);
  assert.deepEqual(codes({ etcd: { kind: 'lives', node: 'cp-1' } }, ['worker-1']), ['E_RESTORE_NOTHING']);
  assert.match(judge(cluster, look({ etcd: { kind: 'lives', node: 'cp-1' } }, ['worker-1']), proven()).refusals[0]!.error.hint, /firstlight rebuild gandalf worker-1/);
  assert.deepEqual(codes({ etcd: { kind: 'unclear', why: 'no leader' } }), ['E_RESTORE_UNCLEAR']);
});

test('parts that are lost around a cluster that lives are brought back, and its etcd is not', () => {
  const verdict = judge(cluster, look({ git: { kind: 'lost', told: 'the repository has no branch main', todo: 'pushed' }, nas: { kind: 'well', told: 'ok' } }, ['worker-1']), proven());
  assert.deepEqual([verdict.parts, verdict.refusals, verdict.todo], [['git'], [], ['pushed']]);
});

test('a control plane that knows more than the archive is the source, unless an archive was named: that is refused, and may be forced', () => {
  const later = { what: 'what cp-1 still has', at: new Date(AT).toISOString(), revision: 140, file: '/x' };
  const etcd: EtcdSight = { ...dead, holding: ['cp-1'], later };
  assert.deepEqual([sourceOf(etcd, proven()), sourceOf(etcd, proven(true)).revision], [later, 100]);
  assert.deepEqual([codes({ etcd }), codes({ etcd }, [], true)], [[], ['E_RESTORE_OLDER?']]);
  assert.match(judge(cluster, look({ etcd }), proven()).todo.join(), /EPHEMERAL of cp-1 is wiped.*revision 140/);
});

test('a NAS that can not be asked, or has not the LUNs, forbids everything; a git host that is silent does not', () => {
  const beyond = { kind: 'beyond', told: 'silent', hint: 'See.' } as const;
  assert.deepEqual([codes({ etcd: dead, nas: beyond }), codes({ etcd: dead, git: beyond })], [['E_RESTORE_NAS'], []]);
  assert.deepEqual(codes({ etcd: dead, git: beyond, blind: 'nothing answers' }, ['cp-1']), ['E_RESTORE_BLIND?'], 'it may be this computer that is cut off');
});

test('a LUN is known by the uuid in the archive’s map: another of its name is not taken, unless the inventory names it', () => {
  const lun: Lun = { name: 'data', iqn: 'iqn.2000-01.com.synology:data', bytes: 1 } as Lun;
  const contents = (uuid: string, name = 'data', mapped = true): NasContents => ({ volumes: [], hosts: [], luns: [{ uuid, name, size: 1 }], targets: mapped ? [{ iqn: lun.iqn, mapped_luns: [{ lun_uuid: uuid }] }] : [] }) as unknown as NasContents;
  const map = new Map([['data', { uuid: 'one', bytes: 1 }]]);
  assert.equal(judgeNas({ luns: [lun] }, contents('one'), map).kind, 'well');
  assert.deepEqual(judgeNas({ luns: [lun] }, contents('one', 'data', false), map).told, 'the NAS has no target iqn.2000-01.com.synology:data for the LUN data');
  assert.match(judgeNas({ luns: [lun] }, contents('two'), map).told, /no LUN one, which was data \(the LUN of that name is two\)/);
  assert.match(judgeNas({ luns: [lun] }, contents('one', 'renamed'), map).told, /has another name/);
  assert.deepEqual([judgeNas({ luns: [lun] }, contents('one'), undefined).kind, judgeNas({ luns: [lun] }, contents('one', 'other'), undefined).kind, judgeNas({ luns: [lun] }, contents('one', 'other'), new Map()).kind], ['well', 'beyond', 'well'], 'without a map nothing is made in the place of what may be lost');
  assert.equal(judgeNas({ luns: [{ ...lun, uuid: 'two' }] }, contents('two'), map).kind, 'well');
});

test('what was found is told to a person and as data: lost, to do, what does not come back, refusals', () => {
  const seen = look({ etcd: dead, git: { kind: 'beyond', told: 'the git host is silent', hint: 'x' } }, ['cp-1']);
  const verdict = judge(cluster, seen, proven());
  const text = lookText(cluster, proven(), seen, verdict);
  for (const line of [/is good: of gandalf.*revision 100, 2 objects.*signed by the pinned key/, /✗ cp-1 +no board answers/, /✔ worker-1/, /1\. the boards of cp-1 are switched off/, /revision 100 of 2026-11-23T07:25:00Z, 2,100 seconds ago/, /vault\.json, which the backup could not have/]) assert.match(text, line);
  assert.deepEqual((lookData(cluster, proven(), seen, verdict) as { nodes: object[] }).nodes[0], { node: 'cp-1', state: 'lost', seen: 'no board answers' });
});
