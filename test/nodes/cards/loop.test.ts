import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { afterEach, beforeEach, test } from 'node:test';
import { inspectCard } from '../../../nodes/cards/inspect.ts';
import { writeCards } from '../../../nodes/cards/write.ts';
import { proveCard } from '../../../nodes/cards/prove.ts';
import { openDevice } from '../../../nodes/cards/device.ts';
import { testHost, type TestHost } from '../../support/host.ts';
import { cardFile, expected, smallImage, start } from './support.ts';

let host: TestHost;
let loop: string | undefined;
beforeEach(() => {
  host = testHost();
  const made = spawnSync('losetup', ['--find', '--show', cardFile(host.scratch, 'backing', Buffer.alloc(40 * 1024 * 1024, 7))], { encoding: 'utf8' });
  loop = made.status === 0 ? made.stdout.trim() : undefined;
});
afterEach(() => {
  if (loop) execFileSync('losetup', ['--detach', loop]);
  host.remove();
});

const KEYS = new Map([[0x0c, 'stamp']]);

test('a block device is written like a file, and is held alone meanwhile', async (t) => {
  if (!loop) return t.skip('no loop devices here');
  const image = smallImage(host.scratch, 'image');
  await writeCards(host, { image, targets: [{ node: 'cp-1', device: loop, meta: KEYS }] });
  assert.ok((await start(loop, image.raw.length)).equals(expected(image, KEYS)));
  assert.equal((await inspectCard(loop)).kind, 'talos');
  const held = await openDevice(await proveCard(host, loop));
  try {
    await assert.rejects(writeCards(host, { image, targets: [{ node: 'cp-1', device: loop, meta: KEYS }] }), { code: 'E_CARD_BUSY' });
  } finally {
    await held.close();
  }
});

test('sfdisk, where there is one, sees the partitions', async (t) => {
  if (!loop || spawnSync('sfdisk', ['--version']).status !== 0) return t.skip('no loop devices or no sfdisk here');
  const image = smallImage(host.scratch, 'image');
  await writeCards(host, { image, targets: [{ node: 'cp-1', device: loop, meta: KEYS }] });
  const { partitiontable } = JSON.parse(execFileSync('sfdisk', ['--json', loop], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as { partitiontable: { partitions: { name: string }[] } };
  assert.deepEqual(partitiontable.partitions.map((one) => one.name), ['EFI', 'BIOS', 'BOOT', 'META']);
});

test('a wrong serial is refused', async (t) => {
  if (!loop) return t.skip('no loop devices here');
  const image = smallImage(host.scratch, 'image');
  await assert.rejects(writeCards(host, { image, targets: [{ node: 'cp-1', device: loop, serial: '0x1234', meta: KEYS }] }), { code: 'E_CARD_SERIAL', where: { node: 'cp-1' } });
});
