import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLookout } from '../../bootstrap/boards.ts';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { oldCardsReport } from '../../bootstrap/old-cards.ts';
import { runSteps } from '../../bootstrap/runner.ts';
import type { Observation, Step } from '../../bootstrap/step.ts';
import { boardStep } from '../../bootstrap/steps/boards.ts';
import { configStep } from '../../bootstrap/steps/config.ts';
import { fenceStep, stillFenced } from '../../bootstrap/steps/fence.ts';
import { initiatorStep } from '../../bootstrap/steps/initiators.ts';
import { createBoard } from '../../lab/pi/board.ts';
import type { Board, BoardParts } from '../../lab/pi/types.ts';
import { updateLock } from '../../lib/lock-file.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { networkValue, NETWORK_KEY } from '../../talos/meta-network.ts';
import { makeBundle } from '../../talos/secrets.ts';
import { cardKeys } from '../../talos/stamp.ts';
import { memoryCards, partsWithoutKubernetes } from '../lab/pi/memory-card.ts';
import { until } from '../lab/pi/boards.ts';
import { ageKey } from '../support/age.ts';
import { testHost, type TestHost } from '../support/host.ts';
import { exampleCluster, exampleNode } from '../talos/example.ts';

// One virtual board, the real talosctl and the steps of one node: from a card that carries its address to its initiator's name.

const node = { ...exampleNode('cp-1', 'control plane', 11), address: '127.77.9.11' };
const mark = { version: '1.11.0', rawSha256: 'cd' };
let maker: TestHost;
let host: TestHost;
let cluster: Cluster;
let board: Board;
let parts: BoardParts;
/** What the image on the card holds. */
const image = { extensions: ['iscsi-tools', 'util-linux-tools'], schematic: '' };

before(async () => {
  maker = testHost();
  const [mine, other] = [await ageKey(maker, 'mine'), await ageKey(maker, 'other')];
  host = testHost({ SOPS_AGE_KEY_FILE: mine.file });
  const folder = join(maker.scratch, 'gandalf');
  await mkdir(folder);
  const plain = exampleCluster(folder);
  cluster = exampleCluster(folder, {
    nodes: [node], talos: { ...plain.talos, version: '1.11.0' },
    network: { subnet: '127.77.9.0/26', gateway: '127.77.9.1', dns: [], ntp: [], endpoint: 'https://127.77.9.11:6443', maintenance: 'static' },
    secrets: { recipients: [{ name: 'cluster', role: 'cluster', key: mine.recipient }, { name: 'owner', role: 'owner', key: other.recipient }] },
  });
  await makeBundle(host, cluster);
  image.schematic = facts().schematic.id;
  const cards = memoryCards(maker.scratch);
  parts = { ...partsWithoutKubernetes(maker.scratch), card: { ...cards, read: async (path) => ({ ...await cards.read(path), ...image }) as never } };
  board = createBoard({ mac: node.mac, dhcpAddress: '127.77.9.40', cardPath: 'card', parts, folder: join(maker.scratch, 'board'), bootMs: 20 });
});
after(async () => {
  await board.powerOff();
  host.remove();
  maker.remove();
});

function facts(of: Cluster = cluster): Facts {
  return createFacts(of, host.scratch);
}

function steps(known: Facts): Record<'board' | 'config' | 'initiator', Step> {
  return {
    board: boardStep(known, node, createLookout(known), [], 20_000), config: configStep(known, node, [`board:${node.name}`], 20_000),
    initiator: initiatorStep(known, node, [`config:${node.name}`], 20_000),
  };
}

async function observed(step: Step): Promise<Observation> {
  return step.observe(host);
}

/** Writes a new card for the node, made of `schematic`, and puts it in. */
async function newCard(schematic: string): Promise<void> {
  await board.powerOff();
  await parts.card.wipe('card', ['STATE', 'EPHEMERAL']);
  await parts.card.writeMeta('card', cardKeys({ cluster: 'gandalf', node: 'cp-1', nonce: 'aa' }, { ...mark, schematic }, networkValue(cluster, node)));
  await board.powerOn();
}

test('a card that carries its address: the board is met at home in maintenance mode, configured there, and its initiator known', { timeout: 60_000 }, async () => {
  await newCard(image.schematic);
  const known = facts();
  const result = await runSteps(Object.values(steps(known)), host);
  assert.deepEqual(result.steps.map(({ step }) => step.id), ['board:cp-1', 'config:cp-1', 'initiator:cp-1']);
  assert.equal(result.steps[1]?.end, 'done');
  assert.equal(known.found.get('cp-1')?.address, node.address, 'in maintenance mode it had its own address already');
  const iqn = known.initiators.get('cp-1');
  assert.match(iqn ?? '', /^iqn\.2017-11\.dev\.talos:[0-9a-f]{32}$/);
  assert.deepEqual(await observed(steps(facts()).initiator), { state: 'done', detail: iqn });
});

test('a configured board whose card is not the one that the lock file knows is the old board: told with the date, and no fence stands while it runs', { timeout: 60_000 }, async () => {
  const known = facts();
  await updateLock(known.lockFile, { cards: { 'cp-1': 'bb' }, cardsSince: { 'cp-1': '2026-11-23T07:10:00.000Z' } });
  try {
    const back = { code: 'E_IDENTITY_OLD_CARD', message: 'the board of cp-1 (at 127.77.9.11) is back with the card it had before the rebuild of 2026-11-23 07:10 UTC: keep it off' };
    await assert.rejects(observed(steps(known).board), back);
    await assert.rejects(oldCardsReport(facts(), createLookout(known), host), back);
    await assert.rejects(stillFenced(known, host, node), { code: 'E_FENCE_BROKEN', message: /cp-1 with an older card answers at 127\.77\.9\.11/ });
    const right = facts();
    right.nonces.set('cp-1', 'aa');
    await stillFenced(right, host, node);
    assert.deepEqual(await observed(fenceStep(right, node, { needs: [] })), { state: 'done', detail: 'cp-1 runs from its new card' });
  } finally {
    await rm(known.lockFile);
  }
});

test('the network in META follows the inventory: taken away where boards ask DHCP now, written where they shall not', { timeout: 60_000 }, async () => {
  const meta = async (): Promise<string | undefined> => (await parts.card.readMeta('card')).get(NETWORK_KEY);
  const asking = steps(facts({ ...cluster, network: { ...cluster.network, maintenance: 'dhcp' } })).config;
  assert.deepEqual(await observed(asking), { state: 'needed', why: 'its card says another network than the inventory' });
  await asking.act(host);
  assert.equal(await meta(), undefined);
  assert.equal((await observed(asking)).state, 'done');
  const still = steps(facts()).config;
  await still.act(host);
  assert.equal(await meta(), networkValue(cluster, node));
  assert.equal((await observed(still)).state, 'done');
});

test('an image without the extensions, or of a schematic nobody wrote, is refused; a new card gives a new initiator', { timeout: 60_000 }, async () => {
  const before = facts();
  await observed(steps(before).initiator);
  // Extensions and META can be read in maintenance mode as well, without the way to a config each time.
  const refused = (): Step => initiatorStep({ ...facts(), access: async () => ({ address: node.address, mode: 'maintenance' }) }, node, [], 1_000);
  image.extensions = ['util-linux-tools'];
  await newCard(image.schematic);
  await until(() => board.state() === 'maintenance', 'the board in maintenance mode');
  await assert.rejects(observed(refused()), { code: 'E_EXTENSION_MISSING', message: /cp-1 runs an image without iscsi-tools,/ });

  image.extensions = ['iscsi-tools', 'util-linux-tools'];
  image.schematic = 'ab'.repeat(32);
  await newCard('cd'.repeat(32));
  await until(() => board.state() === 'maintenance', 'the board in maintenance mode');
  await assert.rejects(observed(refused()), { code: 'E_SCHEMATIC_OTHER', message: /of schematic abababababab; its card was written with cdcdcdcdcdcd, and cluster\.yaml makes [0-9a-f]{12}$/ });

  await newCard(image.schematic);
  const last = facts();
  const result = await runSteps(Object.values(steps(last)), host);
  assert.notEqual(last.initiators.get('cp-1'), before.initiators.get('cp-1'));
  assert.match(result.steps[2]?.detail ?? '', /; ! its image is still of schematic abababababab, cluster\.yaml makes/);
});
