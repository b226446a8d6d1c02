import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { buildImage, RAW_IMAGE_BYTES } from '../../../lab/factory/build-image.ts';
import { createBoard } from '../../../lab/pi/board.ts';
import { cardParts, createBlankCard, createStatePartitions, ephemeralFolder, readCard, readMeta, readState, wipeCard, writeMeta, writeState } from '../../../lab/pi/card.ts';
import { parseGpt } from '../../../lib/gpt.ts';
import type { Host, RunEvent } from '../../../lib/host.ts';
import { inspectCard } from '../../../nodes/cards/inspect.ts';
import { writeCards } from '../../../nodes/cards/write.ts';
import { cardKeys, cardLacks } from '../../../talos/stamp.ts';
import { testHost, type TestHost } from '../../support/host.ts';
import { until } from './boards.ts';
import { partsWithoutKubernetes } from './memory-card.ts';
import { talosctl, type Answer } from './recordings.ts';

const MIB = 1024 * 1024;
const schematic = 'ab'.repeat(32);
const mark = { schematic, version: 'v1.11.0', rawSha256: 'cd'.repeat(32) };
const own = { cluster: 'gandalf', node: 'cp-1' };

let host: TestHost;
let folder: string;
let image: string;
let card: string;
before(async () => {
  host = testHost();
  folder = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
  image = join(folder, 'image.raw.zst');
  card = join(folder, 'card.img');
  await buildImage(image, { version: 'v1.11.0', schematic, extensions: ['siderolabs/iscsi-tools'] });
  await createBlankCard(card);
});
after(() => {
  host.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function flash(at: Host = host): Promise<void> {
  const targets = [{ node: 'cp-1', device: card, meta: cardKeys({ ...own, nonce: 'aa' }, mark) }];
  await writeCards(at, { image: { path: image }, targets });
}

async function damage(at: number): Promise<void> {
  const file = await open(card, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
  await file.close();
}

test('a blank card, none, or a foreign one does not boot', async () => {
  assert.deepEqual(await readCard(card), { bootable: false, reason: 'no valid partition table' });
  assert.deepEqual(await readCard(join(folder, 'none')), { bootable: false, reason: 'there is no card' });
  const photos = join(folder, 'photos');
  writeFileSync(photos, 'photos');
  assert.deepEqual(await readCard(photos), { bootable: false, reason: 'no valid partition table' });
});

test('a written card boots and says what it is; its stamp is in META', async () => {
  await flash();
  const read = await readCard(card);
  assert.ok(read.bootable);
  const { serial, ...rest } = read;
  assert.match(serial, /^0x[0-9a-f]{8}$/);
  assert.deepEqual(rest, { bootable: true, version: 'v1.11.0', schematic, extensions: ['iscsi-tools'], bytes: 64e9, partitioned: false });
  assert.equal((await readMeta(card)).get(0x0c), '{"firstlight":1,"cluster":"gandalf","node":"cp-1","nonce":"aa"}');
  const contents = await inspectCard(card);
  assert.equal(cardLacks(contents, own, mark.rawSha256), undefined);
  assert.match(cardLacks(contents, { ...own, node: 'w-1' }, mark.rawSha256) ?? '', /cp-1 in gandalf/);
  assert.match(cardLacks(contents, own, 'ef'.repeat(32)) ?? '', /another image \(v1.11.0\)/);
});

test('META can be written and is read from the copy that is whole', async () => {
  await writeMeta(card, new Map([...await readMeta(card), [0x09, 'null']]));
  const start = 2102 * MIB;
  await damage(start + 5);
  assert.equal((await readMeta(card)).get(0x09), 'null');
  await damage(start + 256 * 1024 + 5);
  assert.deepEqual([...await readMeta(card)], []);
  await writeMeta(card, cardKeys({ ...own, nonce: 'aa' }, mark));
});

test('one changed byte in a boot partition and it does not boot', async () => {
  for (const [at, label] of [[MIB + 4096 + 1000, 'EFI'], [102 * MIB + 4096 + 30 * MIB, 'BOOT']] as const) {
    await damage(at);
    assert.deepEqual(await readCard(card), { bootable: false, reason: `the boot files of ${label} are damaged` });
    await damage(at);
  }
  await damage(512 + 40);
  assert.deepEqual(await readCard(card), { bootable: false, reason: 'no valid partition table' });
  await damage(512 + 40);
  assert.equal((await readCard(card)).bootable, true);
});

test('a board stays dark with a card whose writing was cut, whose table is gone, or with one byte of BOOT changed; mended, it boots what was written', async () => {
  const board = createBoard({ mac: 'dc:a6:32:00:00:40', dhcpAddress: '127.79.1.40', cardPath: card, parts: { ...partsWithoutKubernetes(folder), card: cardParts }, folder: join(folder, 'board'), bootMs: 1 });
  const powerUp = async (): Promise<string> => {
    await board.powerOff();
    await board.powerOn();
    await until(() => board.state() === 'no boot' || board.state() === 'maintenance', 'the board has booted, or not');
    return `${board.state()}: ${board.console().findLast((line) => /bootloader|Talos v/.test(line))}`;
  };
  const meta = (): Promise<Answer> => talosctl(['get', 'meta', '0x0c', '--insecure', '-n', '127.79.1.40', '-o', 'yaml'], { cwd: folder, talosconfig: '' });
  const stop = new AbortController();
  const cut = { ...host, signal: stop.signal, emit: (event: RunEvent) => { if (event.code === 'card.progress') stop.abort(); } };
  try {
    await assert.rejects(flash(cut), { name: 'AbortError' });
    assert.match(await powerUp(), /^no boot: .*no valid partition table/);
    assert.equal(board.address(), undefined);
    await flash();
    for (const [at, why] of [[102 * MIB + 4096 + 77, 'the boot files of BOOT are damaged'], [512, 'no valid partition table']] as const) {
      await damage(at);
      assert.match(await powerUp(), new RegExp(`^no boot: .*${why}`));
      assert.equal(board.address(), undefined);
      await damage(at);
    }
    assert.match(await powerUp(), /^maintenance: .*Talos v1\.11\.0/);
    assert.match((await meta()).stdout, /"firstlight":1,"cluster":"gandalf","node":"cp-1","nonce":"aa"/);
  } finally {
    await board.powerOff();
  }
});

test('STATE and EPHEMERAL come with the first config and hold what is written, through a cut', async () => {
  await createStatePartitions(card);
  await createStatePartitions(card);
  const file = await open(card, 'r');
  const head = Buffer.alloc(34 * 512);
  await file.read(head, 0, head.length, 0);
  await file.close();
  const table = parseGpt(head);
  assert.deepEqual(table?.partitions.slice(4).map((one) => [one.number, one.label]), [[5, 'STATE'], [6, 'EPHEMERAL']]);
  assert.equal(table?.backup, 64e9 / 512 - 1);
  const state = table?.partitions[4];
  assert.equal(state?.bytes, 100 * MIB);
  assert.ok((state?.start ?? 0) + 1 > 2103 * MIB && (state?.start ?? 0) < RAW_IMAGE_BYTES);
  assert.deepEqual(await readState(card), {});
  await writeState(card, { config: 'version: v1alpha1\n' });
  await writeState(card, { config: 'version: v1alpha1\n', identity: 'id' });
  assert.deepEqual(await readState(card), { config: 'version: v1alpha1\n', identity: 'id' });
  await damage((state?.start ?? 0) + 50 * MIB + 60);
  assert.deepEqual(await readState(card), { config: 'version: v1alpha1\n' });
  const read = await readCard(card);
  assert.ok(read.bootable && read.partitioned);
  assert.equal(cardLacks(await inspectCard(card), own, 'ef'.repeat(32)), undefined, 'a used card of the node is not written again');
});

test('EPHEMERAL is a folder beside the card that stays, until it is wiped or the card is written anew', async () => {
  const first = await ephemeralFolder(card);
  writeFileSync(join(first, 'etcd'), 'data');
  assert.equal(await ephemeralFolder(card), first);
  await wipeCard(card, ['EPHEMERAL']);
  assert.ok(!existsSync(first));
  const second = await ephemeralFolder(card);
  assert.deepEqual(readdirSync(second), []);
  writeFileSync(join(second, 'etcd'), 'data');
  await flash();
  await assert.rejects(ephemeralFolder(card), /no partition EPHEMERAL/);
  assert.deepEqual(await readState(card), {});
  await createStatePartitions(card);
  assert.deepEqual([await readState(card), readdirSync(await ephemeralFolder(card))], [{}, []]);
  assert.ok(!existsSync(second));
});

test('a reset of STATE leaves META and the image; a wipe of all leaves nothing to boot', async () => {
  await writeState(card, { config: 'secret' });
  await cardParts.wipe(card, ['STATE']);
  assert.deepEqual(await readState(card), {});
  assert.ok((await readCard(card)).bootable);
  assert.ok((await readMeta(card)).has(0x0c));
  await cardParts.wipe(card, 'all');
  assert.equal((await readCard(card)).bootable, false);
  assert.equal((await inspectCard(card)).kind, 'blank');
});
