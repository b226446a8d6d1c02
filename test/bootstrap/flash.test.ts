import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { flashSteps } from '../../bootstrap/flash.ts';
import { nodesWithCard } from '../../bootstrap/cards.ts';
import { cardStep } from '../../bootstrap/rebuild/card.ts';
import { rebuildOf } from '../../bootstrap/rebuild/rebuild-of.ts';
import { REAL_PATIENCE } from '../../bootstrap/up.ts';
import { openImage } from '../../bootstrap/steps/image.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import { startFactory, type LabFactory } from '../../lab/factory/factory.ts';
import { createBlankCard, createStatePartitions, readCard } from '../../lab/pi/card.ts';
import type { Host, Question } from '../../lib/host.ts';
import { readLock, updateLock, type RebuildRecord } from '../../lib/lock-file.ts';
import { inspectCard } from '../../nodes/cards/inspect.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { loadCluster } from '../../nodes/load.ts';
import { ask } from '../../scripts/terminal/prompt.ts';
import { cardReport, cardText } from '../../talos/card-report.ts';
import { start } from '../nodes/cards/support.ts';
import { testHost, type TestHost } from '../support/host.ts';
import { selfSigned, talosPort } from '../talos/tls-server.ts';

let images: string;
let factory: LabFactory;
let base: TestHost;
let cluster: Cluster;
before(async () => {
  images = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
  factory = await startFactory({ address: '127.41.1.254', port: 0, folder: images });
});
after(async () => {
  await factory.close();
  rmSync(images, { recursive: true, force: true });
});
beforeEach(async () => {
  base = testHost();
  const folder = join(base.scratch, 'tiny');
  mkdirSync(folder);
  const text = readFileSync(join(import.meta.dirname, '../inventories/valid/nodes-only.yaml'), 'utf8')
    .replace('version: 1.11.0', `version: 1.11.0\n  factory: ${factory.url}`).replaceAll('192.168.77.', '127.41.1.')
    .replace(/address: 127\.41\.1\.21\n/, `$&    card: { device: ${join(base.scratch, 'w-1.img')} }\n`);
  writeFileSync(join(folder, 'cluster.yaml'), text);
  cluster = await loadCluster(folder);
  await createBlankCard(join(base.scratch, 'w-1.img'), 8e9);
});
afterEach(() => base.remove());

/** Flashes worker w-1 (or the control plane, whose card is not named), with these answers. */
async function flash(answers: readonly string[], name = 'w-1', person?: Host['ask']): Promise<{ ends: string; asked: string[] }> {
  const asked: string[] = [];
  const left = [...answers];
  const host: Host = { ...base, ask: person ?? (async (question: Question) => { asked.push(question.code); return left.shift() ?? ''; }) };
  const nodes = cluster.nodes.filter((node) => node.name === name);
  const result = await runSteps(flashSteps(createFacts(cluster, base.scratch), nodes), host);
  return { ends: result.steps.map(({ step, end }) => `${step.id} ${end}`).join(', '), asked };
}

test('a node’s card is written and stamped without any secret of the cluster; a second run finds it done; a used card needs the name', async () => {
  const path = join(base.scratch, 'w-1.img');
  cluster = { ...cluster, network: { ...cluster.network, maintenance: 'static' } };
  assert.deepEqual(await flash([]), { ends: 'schematic done, image done, cards done', asked: [] });
  assert.equal((await readCard(path)).bootable, true);
  const card = await inspectCard(path);
  assert.ok(card.kind === 'talos');
  const report = cardReport(path, card);
  assert.deepEqual([report.kind, report.used, report.stamp?.cluster, report.stamp?.node, report.image?.version], ['talos', false, 'tiny', 'w-1', '1.11.0']);
  assert.match(cardText(report), /not used yet\n {2}belongs to {2}w-1 of cluster tiny\n {2}image {7}Talos 1\.11\.0/);
  assert.deepEqual(report.network, { addresses: ['127.41.1.21/24'], gateways: ['127.41.1.1'] });
  assert.match(cardText(report), /\n {2}address {5}127\.41\.1\.21\/24 by 127\.41\.1\.1, without any DHCP server\n/);
  assert.equal((await flash([])).ends, 'schematic already, image already, cards already');

  await createStatePartitions(path);
  assert.equal(cardReport(path, await inspectCard(path) as never).used, true);
  const nonce = report.stamp?.nonce;
  await assert.rejects(flash(['no']), { code: 'E_CARD_KEPT' });
  assert.deepEqual((await flash(['w-1'])).asked, ['card.overwrite']);
  const anew = cardReport(path, await inspectCard(path) as never);
  assert.ok(anew.used === false && anew.stamp?.nonce !== nonce);
});

test('a card from before the node’s rebuild is not its card: flash writes it anew and notes it, up never has it put into the board', async () => {
  const path = join(base.scratch, 'w-1.img');
  await flash([]);
  const facts = () => createFacts(cluster, base.scratch);
  const worker = cluster.nodes.filter((node) => node.name === 'w-1');
  const ready = async (): Promise<readonly string[]> => [...await nodesWithCard(facts(), base, worker, await openImage(facts(), base))];
  assert.deepEqual(await ready(), ['w-1']);
  await updateLock(facts().lockFile, { etcd: { node: 'cp-1', finished: true }, cards: { 'w-1': 'ee' } });
  assert.deepEqual(await ready(), [], 'unused, and older than the card of the rebuild');
  await createStatePartitions(path);
  assert.deepEqual(await ready(), [], 'used, and older');
  await assert.rejects(flash(['no']), { code: 'E_CARD_KEPT', message: /an older card of w-1/ });
  assert.equal((await flash(['w-1'])).ends, 'schematic already, image already, cards done');
  const card = cardReport(path, await inspectCard(path) as never);
  assert.equal((await readLock(facts().lockFile)).cards['w-1'], card.stamp?.nonce);
  assert.deepEqual(await ready(), ['w-1']);
});

test('a rebuild takes the card that lies in the reader already, and knows that it left for its board', async () => {
  const path = join(base.scratch, 'w-1.img');
  await flash([]);
  const facts: Facts = { ...createFacts(cluster, base.scratch), talosconfig: async () => '/nowhere' };
  const nonce = cardReport(path, await inspectCard(path) as never).stamp!.nonce;
  const record: RebuildRecord = { node: 'w-1', way: 'worker', since: '2026-11-23T07:00:00.000Z', nonce };
  await updateLock(facts.lockFile, { rebuild: record });
  facts.fences.set('w-1', { by: 'person', text: '' });
  const hands: Host = { ...base, ask: async () => { renameSync(path, `${path}.in-its-board`); return ''; } };
  const { steps } = await runSteps([cardStep({ ...rebuildOf(facts, record, REAL_PATIENCE), lookout: async () => new Map() }, [])], hands);
  assert.deepEqual(steps.map(({ end, detail }) => [end, detail]), [['done', 'written, and in its board']]);
  assert.equal((await readLock(facts.lockFile)).rebuild?.written, true);
});

test('a card that is changed after the person was asked about it is not written', async () => {
  const path = join(base.scratch, 'w-1.img');
  writeFileSync(path, 'old system', { flag: 'r+' });
  const photos = join(base.scratch, 'photos.img');
  await createBlankCard(photos, 8e9);
  writeFileSync(photos, 'a person’s photographs', { flag: 'r+' });
  const swap: Host['ask'] = async (question) => {
    if (question.code === 'card.overwrite') renameSync(photos, path);
    return 'w-1';
  };
  await assert.rejects(flash([], 'w-1', swap), { code: 'E_CARD_SWAPPED', where: { node: 'w-1', step: 'cards' } });
  assert.ok((await start(path, 64)).includes('photographs'));
});

test('a board that answers keeps its card, unless the person types its name; with --yes never', async () => {
  const board = await talosPort('127.41.1.21', await selfSigned('w-1', '127.41.1.21'));
  try {
    const path = join(base.scratch, 'w-1.img');
    const yes: Host['ask'] = (question) => ask(question, true, base.signal);
    await assert.rejects(flash([], 'w-1', yes), { code: 'E_NOBODY' });
    await assert.rejects(flash(['']), { code: 'E_BOARD_ANSWERS', where: { node: 'w-1', step: 'cards' } });
    assert.equal(statSync(path).blocks, 0, 'nothing was written');
    assert.deepEqual((await flash(['w-1'])).asked, ['flash.answers']);
  } finally {
    await board.close();
  }
});

test('with --yes a card that the inventory does not name is never chosen, and nothing is written', async () => {
  const ran: string[] = [];
  const yes: Host['ask'] = (question) => { ran.push(question.code); return ask(question, true, base.signal); };
  await assert.rejects(flash([], 'cp-1', yes), { code: 'E_NOBODY' });
  assert.deepEqual(ran, ['card.ready']);
  assert.equal(statSync(join(base.scratch, 'w-1.img')).blocks, 0);
  assert.ok(base.events.every((event) => event.code !== 'card.progress' && event.code !== 'card.written'));
});

test('of two cards none is written without a choice, nor when both tell the serial that the inventory names', async () => {
  const cards = ['one.img', 'two.img'].map((name) => join(base.scratch, name));
  for (const path of cards) await createBlankCard(path, 8e9);
  const blockdevices = cards.map((path) => ({ path, type: 'disk', size: 8e9, ro: false, rm: true, hotplug: true, tran: 'usb', subsystems: 'block:scsi:usb:pci', model: 'READER', serial: '0001', mountpoints: [null] }));
  writeFileSync(join(base.scratch, 'lsblk'), `#!/bin/sh\ncat <<'EOF'\n${JSON.stringify({ blockdevices })}\nEOF\n`, { mode: 0o755 });
  base.environment['PATH'] = `${base.scratch}:${base.environment['PATH']}`;
  await assert.rejects(flash(['', ''], 'cp-1'), { code: 'E_CARD_UNCHOSEN', where: { node: 'cp-1', step: 'cards' } });
  cluster = { ...cluster, nodes: cluster.nodes.map((node) => (node.name === 'cp-1' ? { ...node, card: { serial: '0001' } } : node)) };
  await assert.rejects(flash([], 'cp-1'), { code: 'E_CARD_UNCHOSEN', where: { node: 'cp-1', step: 'cards' }, message: /have the same serial/ });
  for (const path of [...cards, join(base.scratch, 'w-1.img')]) assert.equal(statSync(path).blocks, 0, path);
});

test('what is no Talos card is told as what it is', async () => {
  const path = join(base.scratch, 'other.img');
  writeFileSync(path, Buffer.alloc(2_000_000, 7));
  assert.match(cardText(cardReport(path, await inspectCard(path) as never)), /2\.0 MB\n {2}is {10}foreign: data without/);
  writeFileSync(path, Buffer.alloc(2_000_000));
  assert.match(cardText(cardReport(path, await inspectCard(path) as never)), /is {10}blank/);
});
