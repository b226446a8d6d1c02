import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import type { Command } from '../../../lib/host.ts';
import { listDisks } from '../../../nodes/cards/lsblk.ts';
import { cardCandidates, proveCard } from '../../../nodes/cards/prove.ts';
import { refusal } from '../../../nodes/cards/rules.ts';
import { testHost, type TestHost } from '../../support/host.ts';

let host: TestHost;
beforeEach(() => { host = testHost(); });
afterEach(() => host.remove());

const card = {
  name: '/dev/sdb', path: '/dev/sdb', type: 'disk', size: 63864569856, ro: false, rm: true, hotplug: true, tran: 'usb',
  subsystems: 'block:scsi:usb:pci', model: 'STORAGE DEVICE', serial: '000000001206', mountpoint: null, mountpoints: [null],
};

function answering(blockdevices: readonly unknown[], columns: string[] = []): TestHost {
  const run = async (command: Command): Promise<{ exitCode: number; stdout: string; stderr: string }> => {
    columns.push(command.args.join(' '));
    return { exitCode: 0, stdout: JSON.stringify({ blockdevices }), stderr: '' };
  };
  return { ...host, run };
}

test('of all disks only the ones that can be cards are candidates', async () => {
  const disks = [
    card,
    { ...card, path: '/dev/mmcblk0', rm: false, hotplug: false, tran: null, subsystems: 'block:mmc:mmc_host:pci', size: '31914983424', ro: '0' },
    { ...card, path: '/dev/nvme0n1', tran: 'nvme', rm: false, hotplug: false },
    { ...card, path: '/dev/sda', tran: 'sata', children: [{ ...card, type: 'part', mountpoints: ['/'] }] },
    { ...card, path: '/dev/loop0', type: 'loop' },
    { ...card, path: '/dev/sr0', type: 'rom' },
    { ...card, path: '/dev/sdc', size: 4_000_000_000 },
    { ...card, path: '/dev/sdd', size: 0 },
  ];
  assert.deepEqual((await cardCandidates(answering(disks))).map((one) => one.device), ['/dev/sdb', '/dev/mmcblk0']);
});

test('each kind of disk that is no free card is refused by its own code', async () => {
  const child = { ...card, type: 'part', path: '/dev/sdb1' };
  const cases: readonly (readonly [string, object])[] = [
    ['E_CARD_SYSTEM', { children: [{ ...child, mountpoints: ['/boot/efi'] }] }],
    ['E_CARD_SYSTEM', { children: [{ ...child, children: [{ ...child, type: 'crypt', mountpoints: ['[SWAP]'] }] }] }],
    ['E_CARD_BUSY', { children: [{ ...child, mountpoints: undefined, mountpoint: '/media/photos' }] }],
    ['E_CARD_KIND', { type: 'part' }],
    ['E_CARD_KIND', { path: '/dev/mmcblk0boot0' }],
    ['E_CARD_KIND', { tran: 'sata' }],
    ['E_CARD_KIND', { rm: '0', hotplug: '0', subsystems: 'block:virtio:pci', tran: null }],
    ['E_CARD_READ_ONLY', { ro: '1' }],
    ['E_CARD_MISSING', { size: 0 }],
    ['E_CARD_SMALL', { size: 4e9 }],
    ['E_CARD_LARGE', { size: 1e12 }],
  ];
  for (const [code, change] of cases) {
    const [disk] = await listDisks(answering([{ ...card, ...change }]));
    assert.ok(disk);
    assert.equal(refusal(disk, { named: false, explicit: true })?.code, code, JSON.stringify(change));
  }
  const [large] = await listDisks(answering([{ ...card, size: 1e12 }]));
  assert.ok(large);
  assert.equal(refusal(large, { named: true, explicit: true }), undefined);
});

test('an lsblk without MOUNTPOINTS is asked again without it; nonsense is an error', async () => {
  const asked: string[] = [];
  const older: TestHost = { ...host, run: async (command) => {
    asked.push(command.args.join(' '));
    const knows = !command.args.join(' ').includes('MOUNTPOINTS');
    return { exitCode: knows ? 0 : 1, stdout: knows ? JSON.stringify({ blockdevices: [card] }) : '', stderr: '' };
  } };
  assert.equal((await listDisks(older))[0]?.path, '/dev/sdb');
  assert.equal(asked.length, 2);
  await assert.rejects(listDisks(answering([{ path: 7 }])), { code: 'E_LSBLK' });
});

test('what is neither a block device nor a file, or not there, is refused', async () => {
  await assert.rejects(proveCard(host, '/dev/null'), { code: 'E_CARD_KIND' });
  await assert.rejects(proveCard(host, `${host.scratch}/none`), { code: 'E_CARD_MISSING' });
});

const root = readdirSync('/sys/class/block').map((name) => `/dev/${name}`).find((path) => {
  try {
    return statSync(path).rdev === statSync('/').dev;
  } catch {
    return false;
  }
});

test('the disk that this system runs from is refused, however it is named', { skip: !root && 'no block device under /' }, async () => {
  await assert.rejects(proveCard(host, root ?? ''), { code: 'E_CARD_SYSTEM' });
  await assert.rejects(proveCard(host, root ?? '', { serial: 'x' }), { code: 'E_CARD_SERIAL' });
});
