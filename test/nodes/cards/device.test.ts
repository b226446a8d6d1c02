import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { ManyErrors } from '../../../lib/errors.ts';
import type { RunEvent } from '../../../lib/host.ts';
import { openDevice } from '../../../nodes/cards/device.ts';
import { inspectCard } from '../../../nodes/cards/inspect.ts';
import { proveCard } from '../../../nodes/cards/prove.ts';
import { writeCards, type Open } from '../../../nodes/cards/write.ts';
import { testHost, type TestHost } from '../../support/host.ts';
import { failing, faultyCard, flipped } from './faulty.ts';
import { cardFile, expected, smallImage, start } from './support.ts';

const MIB = 1024 * 1024;
const KEYS = new Map([[0x0c, 'stamp']]);

let host: TestHost;
beforeEach(() => { host = testHost(); });
afterEach(() => host.remove());

test('a byte that comes back otherwise is found: in data, in META, in a hole, in the table', async () => {
  const image = smallImage(host.scratch, 'image');
  for (const [name, at] of [['data', 9 * MIB + 77], ['meta', image.metaAt + 20], ['hole', 20 * MIB], ['table', 700]] as const) {
    const device = cardFile(host.scratch, name);
    const targets = [{ node: 'cp-1', device, meta: KEYS }];
    await assert.rejects(writeCards(host, { image, targets }, faultyCard(name, flipped(at))), { code: 'E_CARD_VERIFY', where: { node: 'cp-1' } }, name);
    assert.notEqual((await inspectCard(device)).kind, 'talos', name);
  }
});

test('when all cards fail, all are told', async () => {
  const image = smallImage(host.scratch, 'image');
  const targets = ['bad-1', 'bad-2'].map((node) => ({ node, device: cardFile(host.scratch, node), meta: KEYS }));
  const both: Open = async (identity) => faultyCard(identity.path, failing('write', 'EIO', 8 * MIB))(identity);
  await assert.rejects(writeCards(host, { image, targets }, both), (error: ManyErrors) => error.code === 'E_CARDS' && error.problems.length === 2);
});

test('what was on the card where the image has zeros is gone, also where no sample saw it', async () => {
  const image = smallImage(host.scratch, 'image');
  const old = Buffer.alloc(33 * MIB);
  old.fill('photos', 16 * MIB + 5000, 16 * MIB + 6000);
  old.fill('photos', 20 * MIB, 21 * MIB);
  old.fill('photos', image.metaAt - 3000, image.metaAt - 2000);
  const device = cardFile(host.scratch, 'card', old);
  await writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: KEYS }] });
  assert.ok((await start(device, image.raw.length)).equals(expected(image, KEYS)));
});

test('a card that answers nothing for 30 s is told, once', async () => {
  const image = smallImage(host.scratch, 'image');
  let now = 0;
  let release = (): void => {};
  const stuck = new Promise<void>((resolve) => { release = resolve; });
  const told: RunEvent[] = [];
  const clock = { now: () => now, sleep: async (ms: number, signal?: AbortSignal) => { await turn(); signal?.throwIfAborted(); now += ms; } };
  const emit = (event: RunEvent): void => {
    if (event.code !== 'card.stalled' || event.node !== 'w-1') return;
    told.push(event);
    release();
  };
  const slow = faultyCard('slow', (file) => ({ write: async (data, offset, length, at) => { if (at === 8 * MIB) await stuck; return file.write(data, offset, length, at); } }));
  const targets = ['good', 'slow'].map((name, index) => ({ node: `w-${index}`, device: cardFile(host.scratch, name), meta: KEYS }));
  await writeCards({ ...host, clock, emit }, { image, targets }, slow);
  assert.deepEqual(told[0]?.data, { device: targets[1]?.device, seconds: 30 });
});

test('a file system that is full is told, by a real one', async (t) => {
  const folder = join(host.scratch, 'small');
  mkdirSync(folder);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', folder]).status !== 0) return t.skip('may not mount here');
  try {
    const image = smallImage(host.scratch, 'image');
    const device = cardFile(folder, 'card');
    await assert.rejects(writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: KEYS }] }), { code: 'E_CARD_SMALL', where: { node: 'cp-1' } });
    assert.notEqual((await inspectCard(device)).kind, 'talos');
  } finally {
    execFileSync('umount', [folder]);
  }
});

test('a card that cannot be written past the page cache is written too, to the byte', async () => {
  const image = smallImage(host.scratch, 'image');
  // No whole number of sectors: such a file can't be written directly anywhere.
  const device = cardFile(host.scratch, 'card', undefined, 8_000_000_001);
  const card = await openDevice(await proveCard(host, device));
  await card.close();
  assert.equal(card.direct, false);
  await writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: KEYS }] });
  assert.ok((await start(device, image.raw.length)).equals(expected(image, KEYS)));
});
