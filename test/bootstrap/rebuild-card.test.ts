import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { cardStep } from '../../bootstrap/rebuild/card.ts';
import { rebuildOf } from '../../bootstrap/rebuild/rebuild-of.ts';
import { resumeRecord } from '../../bootstrap/rebuild/record.ts';
import { REAL_PATIENCE } from '../../bootstrap/up.ts';
import type { Host, Question } from '../../lib/host.ts';
import type { RebuildRecord } from '../../lib/lock-file.ts';
import type { ClusterNode } from '../../nodes/cluster.ts';
import { encodeStamp, STAMP_KEY } from '../../talos/stamp.ts';
import { testHost, type TestHost } from '../support/host.ts';
import { exampleCluster, exampleNode } from '../talos/example.ts';
import { selfSigned, talosPort } from '../talos/tls-server.ts';

// A rebuild that goes on, whose card was written before: where the card is by now.

const record: RebuildRecord = { node: 'worker-1', way: 'worker', since: '2026-11-23T07:00:00.000Z', nonce: 'bb', written: true };
let base: TestHost;
let node: ClusterNode;
let facts: Facts;
let asked: Question[];
let host: Host;
beforeEach(() => {
  base = testHost();
  node = { ...exampleNode('worker-1', 'worker', 21), address: '127.104.2.3', card: { device: join(base.scratch, 'reader') } };
  const cluster = exampleCluster(base.scratch, { nodes: [node], network: { subnet: '127.104.2.0/29', gateway: '127.104.2.1', dns: [], ntp: [], endpoint: 'https://127.104.2.3:6443', maintenance: 'dhcp' } });
  facts = { ...createFacts(cluster, base.scratch), talosconfig: async () => '/nowhere' };
  asked = [];
  host = { ...base, ask: async (question) => (asked.push(question), '') };
});
afterEach(() => base.remove());

test('another card in the reader does not make a second card of this rebuild: the one that was written is in its board, as the person said', async () => {
  writeFileSync(node.card!.device!, Buffer.alloc(2_000_000, 7));
  const look = async (told: RebuildRecord) => cardStep({ ...rebuildOf(facts, told, REAL_PATIENCE), lookout: async () => new Map() }, []).observe(host);
  assert.deepEqual(await look(record), { state: 'done', detail: 'written, and in its board' });
  const { written: _not, ...unwritten } = record;
  assert.equal((await look(unwritten)).state, 'needed');
});

test('a board of nobody that runs the card answers for it: nobody is asked where the card is', async () => {
  const port = await talosPort('127.104.2.4', await selfSigned('maintenance-service.talos.dev', '127.104.2.4'));
  const resource = (type: string, id: string, spec: object): string => JSON.stringify({ metadata: { id, type, namespace: 'x', phase: 'running', version: '1' }, spec });
  const answers: Readonly<Record<string, string>> = {
    links: resource('LinkStatuses', 'end0', { hardwareAddr: 'dc:a6:32:ff:ff:01', type: 'ether', linkState: true }),
    metakeys: resource('MetaKeys', `0x0${STAMP_KEY.toString(16)}`, { value: encodeStamp({ cluster: facts.cluster.name, node: node.name, nonce: 'bb' }) }),
  };
  const world: Host = { ...host, run: async ({ args }) => ({ exitCode: 0, stderr: '', stdout: answers[args[1] ?? ''] ?? '' }) };
  try {
    assert.equal(await resumeRecord(world, facts, node, record), record);
    assert.deepEqual(asked, []);
  } finally {
    await port.close();
  }
  await resumeRecord(world, facts, node, record);
  assert.deepEqual(asked.map(({ code }) => code), ['rebuild.card']);
});
