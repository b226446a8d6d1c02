import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import type { Disk } from '../../../nodes/cards/lsblk.ts';
import { listDisks } from '../../../nodes/cards/lsblk.ts';
import { cardCandidates, cardsWithSerial } from '../../../nodes/cards/prove.ts';
import { mountsOf, refusal } from '../../../nodes/cards/rules.ts';
import { testHost, type TestHost } from '../../support/host.ts';

let host: TestHost;
beforeEach(() => { host = testHost(); });
afterEach(() => host.remove());

// Disks as lsblk of util-linux 2.37 (laptop, pi) and 2.34 (server) tells them, put together from published outputs.
function desk(name: string): { blockdevices: Record<string, unknown>[] } {
  return JSON.parse(readFileSync(join(import.meta.dirname, `desks/lsblk-${name}.json`), 'utf8')) as { blockdevices: Record<string, unknown>[] };
}

/** A host whose lsblk shows this; an old one does not know MOUNTPOINTS. */
function at(answer: object, old = false): TestHost {
  return { ...host, run: async (command) => {
    if (old && command.args.join(' ').includes('MOUNTPOINTS')) return { exitCode: 1, stdout: '', stderr: 'lsblk: unknown column: MOUNTPOINTS' };
    return { exitCode: 0, stdout: JSON.stringify(answer), stderr: '' };
  } };
}

const verdicts = async (name: string, old = false): Promise<string[]> =>
  (await listDisks(at(desk(name), old))).map((disk) => `${disk.path} ${refusal(disk, { named: false, explicit: true })?.code ?? 'free'}`);

test('a laptop: two cards are free, every other disk is refused by its own code', async () => {
  assert.deepEqual(await verdicts('laptop'), [
    '/dev/nvme0n1 E_CARD_SYSTEM', '/dev/mmcblk0 free', '/dev/mmcblk0boot0 E_CARD_KIND', '/dev/sda free', '/dev/sdb E_CARD_MISSING',
    '/dev/sdc E_CARD_LARGE', '/dev/sdd E_CARD_BUSY', '/dev/loop0 E_CARD_BUSY', '/dev/zram0 E_CARD_SYSTEM', '/dev/sr0 E_CARD_KIND',
  ]);
});

test('a server with an old lsblk (text for numbers, RAID): nothing is free', async () => {
  assert.deepEqual(await verdicts('server', true), ['/dev/sda E_CARD_SYSTEM', '/dev/sdb E_CARD_READ_ONLY', '/dev/sdc E_CARD_SMALL', '/dev/vda E_CARD_KIND']);
});

test('a Raspberry Pi that runs from its own card offers only the reader', async () => {
  assert.deepEqual(await verdicts('pi'), ['/dev/mmcblk0 E_CARD_SYSTEM', '/dev/sda free']);
});

test('a serial finds its card, in any case of its letters, also a large one; a disk in use or of the system never', async () => {
  const devices = async (serial: string): Promise<string[]> => (await cardsWithSerial(at(desk('laptop')), serial)).map((one) => one.device);
  assert.deepEqual(await devices('0X1B2C3D4E'), ['/dev/mmcblk0']);
  assert.deepEqual(await devices('S6TWNS0R'), ['/dev/sdc']);
  assert.deepEqual([await devices('S4ENNX2N123456'), await devices('4C530001'), await devices('')], [[], [], []]);
});

const mount = fc.constantFrom('/', '/boot', '/boot/efi', '/home', '/var/lib/docker', '[SWAP]', '/media/me/card', '/mnt');
const flag = fc.constantFrom<unknown>(true, false, '0', '1', 0, 1, null);
const disk = fc.record({
  path: fc.constantFrom('/dev/sda', '/dev/sdb', '/dev/mmcblk1', '/dev/nvme1n1', '/dev/vdb', '/dev/mmcblk0boot1', '/dev/sr1', '/dev/ram0'),
  type: fc.constantFrom('disk', 'part', 'rom', 'loop', 'crypt'),
  size: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2_000_000 }).map((mega) => mega * 1_000_000)).chain((bytes) => fc.constantFrom<number | string>(bytes, String(bytes))),
  ro: flag, rm: flag, hotplug: flag, tran: fc.constantFrom('usb', 'sata', 'ata', 'nvme', 'mmc', null),
  subsystems: fc.constantFrom('block:scsi:usb:pci', 'block:scsi:pci', 'block:nvme:pci', 'block:mmc:mmc_host:pci', 'block:virtio:pci'),
  mountpoints: fc.array(fc.option(mount), { maxLength: 2 }),
  children: fc.array(fc.record({ path: fc.constant('/dev/sda1'), size: fc.constant(1), type: fc.constant('part'), mountpoints: fc.array(fc.option(mount), { maxLength: 2 }) }), { maxLength: 2 }),
}, { requiredKeys: ['path', 'size', 'type'] });

test('whatever lsblk answers, no candidate is mounted, read-only, internal, too small or larger than the limit', async () => {
  await fc.assert(fc.asyncProperty(fc.array(disk, { maxLength: 6 }), async (blockdevices) => {
    const hostHere = at({ blockdevices });
    const all = await listDisks(hostHere);
    for (const one of await cardCandidates(hostHere)) {
      const named: Disk[] = all.filter((other) => other.path === one.device);
      assert.ok(named.some((found) => found.type === 'disk' && mountsOf(found).length === 0 && !found.readOnly
        && found.bytes >= 7.5e9 && found.bytes <= 256e9 && !/nvme|ata/.test(found.transport) && !/nvme/.test(found.subsystems)
        && !/nvme|boot1|sr1|ram0/.test(found.path) && (found.removable || /usb|mmc/.test(found.subsystems))), JSON.stringify(one));
    }
  }), { numRuns: 400 });
});
