import assert from 'node:assert/strict';
import { mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createAddresses, createLink } from '../../../lab/link.ts';
import type { CardParts } from '../../../lab/pi/types.ts';
import { createHardware } from '../../../lab/world/hardware.ts';
import { FirstlightError } from '../../../lib/errors.ts';
import { proveCard } from '../../../nodes/cards/prove.ts';
import { testHost } from '../../support/host.ts';
import { until } from '../../support/processes.ts';
import { memoryCards, partsWithoutKubernetes } from '../pi/memory-card.ts';

const NODES = [{ name: 'w-1', mac: 'dc:a6:32:00:00:01' }, { name: 'w-2', mac: 'dc:a6:32:00:00:02' }];
const root = await mkdtemp(join(tmpdir(), 'firstlight-hardware-'));
const host = testHost();
after(async () => {
  host.remove();
  await rm(root, { recursive: true, force: true });
});

/** Hardware whose ports have power as told; the cards that lie in it boot from memory unless their file is empty. */
async function hardware(name: string, on: ReadonlySet<string>, lease: string): Promise<Awaited<ReturnType<typeof createHardware>>> {
  const folder = join(root, name);
  const memory = memoryCards(folder);
  const card: CardParts = { ...memory, read: async (path) => ((await stat(path)).size === 0 ? { bootable: false, reason: 'the card does not answer' } : memory.read(path)) };
  let leases = 0;
  return createHardware({ nodes: NODES, folder, parts: { ...partsWithoutKubernetes(folder), card }, lease: () => `${lease}.${leases += 1}`, fed: (node) => on.has(node) });
}

test('a dead board stays off; a spare takes its place and its power, and the old one comes back with its own card', async () => {
  const world = await hardware('boards', new Set(['w-1']), '127.102.1');
  const [place] = world.places;
  const first = await realpath(place!.card);
  place!.board.insertCard(place!.card);
  const old = place!.board;
  await world.supply('w-1', 'on');
  await until('maintenance', 5_000, () => old.state() === 'maintenance');
  await world.kill('w-1', 'board');
  assert.equal(old.state(), 'dead');
  await world.supply('w-1', 'on');
  assert.equal(old.state(), 'dead');

  const mac = await world.spare('w-1');
  assert.notEqual(mac, NODES[0]!.mac);
  assert.notEqual(place!.board, old);
  assert.equal(place!.board.mac, mac);
  await until('the spare has power, and no card', 5_000, () => place!.board.state() === 'no boot');
  await world.blankCard('w-1');
  assert.notEqual(await realpath(place!.card), first);
  place!.board.insertCard(place!.card);
  await world.supply('w-1', 'off');
  await world.supply('w-1', 'on');
  await until('the spare boots', 5_000, () => place!.board.state() === 'maintenance');

  assert.equal(await world.revive('w-1'), old);
  await until('the old board boots', 5_000, () => old.state() === 'maintenance');
  assert.notEqual(old.address(), place!.board.address());
  await world.supply('w-1', 'off');
  assert.deepEqual([place!.board.state(), old.state()], ['off', 'maintenance'], 'its supply is not the switch');
  await world.off();
  assert.equal(old.closed, true);
});

test('a dead card stops the board that runs from it, and a reader finds no capacity', async () => {
  const world = await hardware('cards', new Set(), '127.102.2');
  const [, { board, card }] = world.places as [unknown, { board: typeof world.places[number]['board']; card: string }];
  board.insertCard(card);
  await world.supply('w-2', 'on');
  await until('maintenance', 5_000, () => board.state() === 'maintenance');
  await world.kill('w-2', 'card');
  await until('nothing boots', 5_000, () => board.state() === 'no boot');
  assert.match(board.console().join('\n'), /the card does not answer/);
  await assert.rejects(proveCard(host, card), (error: FirstlightError) => error.code === 'E_CARD_SMALL');
  await world.blankCard('w-2');
  assert.equal((await proveCard(host, card)).bytes, 64_000_000_000);
  assert.throws(() => world.blankCard('w-9'), RangeError);
  await world.off();
});

test('who has an address keeps it from others until it is gone or cut off', async () => {
  const [one, two, addresses] = [createLink(), createLink(), createAddresses()];
  assert.equal(addresses.take('127.102.1.9', one), true);
  assert.equal(addresses.take('127.102.1.9', two), false);
  await one.cut();
  assert.equal(addresses.take('127.102.1.9', two), true);
  await one.mend();
  assert.equal(addresses.take('127.102.1.9', one), false);
  addresses.release(two);
  assert.equal(addresses.take('127.102.1.9', one), true);
});
