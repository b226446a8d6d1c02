import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { THIS_DESK } from '../../../nodes/cards/desk.ts';
import { refuseHeld } from '../../../nodes/cards/held.ts';
import { inspectCard } from '../../../nodes/cards/inspect.ts';
import { openDevice } from '../../../nodes/cards/device.ts';
import { proveCard } from '../../../nodes/cards/prove.ts';
import { writeCards } from '../../../nodes/cards/write.ts';
import { testHost, type TestHost } from '../../support/host.ts';
import { cardFile, expected, noise, smallImage, start } from './support.ts';

const MIB = 1024 * 1024;
const KEYS = new Map([[0x0c, 'stamp']]);
const NONE = 'no loop devices here';

let host: TestHost;
let loop: string | undefined;
beforeEach(() => {
  host = testHost();
  loop = attach(cardFile(host.scratch, 'backing', Buffer.concat(Array(40).fill(noise('photos')))));
});
afterEach(() => {
  if (loop) execFileSync('losetup', ['--detach', loop]);
  host.remove();
});

/** A loop device over a file; undefined where there are none. */
function attach(file: string, ...options: string[]): string | undefined {
  const made = spawnSync('losetup', ['--find', '--show', ...options, file], { encoding: 'utf8' });
  return made.status === 0 ? made.stdout.trim() : undefined;
}

test('a block device full of other data holds the image to the byte, by cmp, and is held alone meanwhile', async (t) => {
  if (!loop) return t.skip(NONE);
  const image = smallImage(host.scratch, 'image');
  const beyond = (await start(loop, 40 * MIB)).subarray(image.raw.length);
  await writeCards(host, { image, targets: [{ node: 'cp-1', device: loop, meta: KEYS }] });
  const raw = join(host.scratch, 'raw');
  writeFileSync(raw, expected(image, KEYS));
  execFileSync('cmp', [`--bytes=${image.raw.length}`, raw, loop]);
  assert.ok((await start(loop, 40 * MIB)).subarray(image.raw.length).equals(beyond), 'what is beyond the image was touched');
  assert.equal((await inspectCard(loop)).kind, 'talos');
  const held = await openDevice(await proveCard(host, loop));
  try {
    assert.equal(held.direct, true);
    await assert.rejects(writeCards(host, { image, targets: [{ node: 'cp-1', device: loop, meta: KEYS }] }), { code: 'E_CARD_BUSY' });
    await assert.rejects(refuseHeld(host, loop, THIS_DESK), { code: 'E_CARD_BUSY', message: /is being written/ });
  } finally {
    await held.close();
  }
});

test('sfdisk sees the partitions; the system is made to read them, and nothing is ejected that can\'t be', async (t) => {
  if (!loop) return t.skip(NONE);
  if (spawnSync('sfdisk', ['--version']).status !== 0) return t.skip('no sfdisk here (Debian: fdisk)');
  const image = smallImage(host.scratch, 'image');
  const ran: string[] = [];
  const run: TestHost['run'] = async (command) => {
    const done = await host.run(command);
    ran.push(`${[command.program, ...command.args].join(' ')}: ${done.exitCode}`);
    return done;
  };
  await writeCards({ ...host, run }, { image, targets: [{ node: 'cp-1', device: loop, meta: KEYS }] });
  const { partitiontable } = JSON.parse(execFileSync('sfdisk', ['--json', loop], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as { partitiontable: { partitions: { name: string }[] } };
  assert.deepEqual(partitiontable.partitions.map((one) => one.name), ['EFI', 'BIOS', 'BOOT', 'META']);
  assert.match(ran.at(-1) ?? '', new RegExp(`^blockdev --rereadpt ${loop}: \\d+$`));
  assert.equal(host.events.find((event) => event.code === 'card.written')?.data?.['ejected'], false);
});

test('a card that is idle or mounted may be looked at, and one that its reader’s rights keep from us is told', async (t) => {
  if (!loop || spawnSync('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1,nodiscard', loop]).status !== 0) return t.skip(NONE);
  await refuseHeld(host, loop, THIS_DESK);
  const at = join(host.scratch, 'mnt');
  mkdirSync(at);
  execFileSync('mount', ['-o', 'ro', loop, at]);
  try {
    await refuseHeld(host, loop, THIS_DESK);
    assert.equal((await inspectCard(loop)).kind, 'foreign');
  } finally {
    execFileSync('umount', [at]);
  }
  chmodSync(loop, 0o600);
  process.seteuid!(65534);
  try {
    await assert.rejects(inspectCard(loop), { code: 'E_CARD_ACCESS' });
    await refuseHeld(host, loop, THIS_DESK);
  } finally {
    process.seteuid!(0);
  }
});
