import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test, type TestContext } from 'node:test';
import type { FirstlightError } from '../../../lib/errors.ts';
import { parseGpt } from '../../../lib/gpt.ts';
import type { Host } from '../../../lib/host.ts';
import { openDevice, type CardFile } from '../../../nodes/cards/device.ts';
import { proveCard } from '../../../nodes/cards/prove.ts';
import type { CardImage } from '../../../nodes/cards/types.ts';
import { writeCards, type Open } from '../../../nodes/cards/write.ts';
import { testHost, type TestHost } from '../../support/host.ts';
import { blockCards, canAttach, type BlockCards } from './block-cards.ts';
import { failing, faultyCard, flipped } from './faulty.ts';
import { cardFile, expected, noise, smallImage, start, type SmallImage } from './support.ts';

const MIB = 1024 * 1024;
const KEYS = new Map([[0x0c, 'stamp']]);
const CARD_BYTES = 8_000_000_000;
const IMAGE_MIB = 18;

/** What a case makes of a card that would be fine: another device or serial, a faulty file, another image, another look at the machine. */
type Change = { readonly device?: string; readonly serial?: string; readonly open?: Open; readonly image?: CardImage; readonly at?: Host; readonly also?: readonly string[]; readonly undo?: () => void };
/** What a case has: the card's file, the loop device over it (where it asked for one) and the means. */
type Means = { readonly file: string; readonly device: string; readonly blocks: BlockCards };
type Case = {
  readonly what: string;
  readonly code: string;
  /** What is left of the refused card: nothing was written to it, or it has no table any more. */
  readonly left: 'untouched' | 'no table';
  readonly loop?: true;
  /** The image is at fault: no card is written. */
  readonly all?: true;
  readonly hint?: RegExp;
  change(means: Means): Promise<Change> | Change;
};

let scratch: TestHost;
let host: TestHost;
let image: SmallImage;
let old: Buffer;
/** A card that nobody asked for, through all cases. */
let bystander: string;
let blocks: BlockCards;
let loops = false;
before(() => {
  scratch = testHost();
  image = smallImage(scratch.scratch, 'image', IMAGE_MIB);
  // An older Talos, which would boot, and someone's data after it.
  old = Buffer.concat([smallImage(scratch.scratch, 'old', IMAGE_MIB).raw, noise('photos')]);
  bystander = cardFile(scratch.scratch, 'bystander', old);
  loops = canAttach(image.path);
});
after(() => scratch.remove());
beforeEach(() => { host = testHost(); blocks = blockCards(); });
afterEach(() => { blocks.remove(); host.remove(); });

const broken = (change: (file: CardFile) => Partial<CardFile>) => ({ device }: Means): Change => ({ open: faultyCard(device, change) });

/** The image's file with other bytes. */
function otherImage(name: string, bytes: Buffer): Change {
  const path = join(host.scratch, `${name}.raw.zst`);
  writeFileSync(path, bytes);
  return { image: { path, rawSha256: image.rawSha256 } };
}

function damaged(): Buffer {
  const bytes = readFileSync(image.path);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 0xff, bytes.length >> 1);
  return bytes;
}

function filesystem(device: string): void {
  execFileSync('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1,nodiscard', device], { stdio: 'ignore' });
}

/** Something that happens after the card was proven and before it is opened. */
const afterProof = (device: string, happens: () => void): Open => async (identity) => {
  if (identity.path.endsWith(device)) happens();
  return openDevice(identity);
};

const CASES: readonly Case[] = [
  { what: 'not there', code: 'E_CARD_MISSING', left: 'untouched', change: ({ device }) => ({ device: `${device}.none` }) },
  { what: 'neither a disk nor a file', code: 'E_CARD_KIND', left: 'untouched', change: () => ({ device: '/dev/null' }) },
  { what: 'too small', code: 'E_CARD_SMALL', left: 'untouched', change: ({ file }) => { truncateSync(file, 4_000_000_000); return {}; } },
  { what: 'swapped after the proof', code: 'E_CARD_SWAPPED', left: 'untouched', change: ({ file }) => ({ also: [`${file}.was`], open: afterProof(file, () => { renameSync(file, `${file}.was`); cardFile(host.scratch, 'subject', old); }) }) },
  { what: 'resized after the proof', code: 'E_CARD_SWAPPED', left: 'untouched', change: ({ file }) => ({ open: afterProof(file, () => truncateSync(file, CARD_BYTES + 512)) }) },
  { what: 'vanished before the first byte', code: 'E_CARD_FAILED', left: 'untouched', change: broken(failing('write', 'ENODEV', 0)) },
  { what: 'vanished while it is written', code: 'E_CARD_FAILED', left: 'no table', change: broken(failing('write', 'ENODEV', 8 * MIB)) },
  { what: 'pulled from its reader while it is written', code: 'E_CARD_MISSING', left: 'no table', change: broken(failing('write', 'ENXIO', 8 * MIB)) },
  { what: 'full before its end', code: 'E_CARD_SMALL', left: 'no table', change: broken(failing('write', 'ENOSPC', 8 * MIB)) },
  { what: 'failing when written', code: 'E_CARD_FAILED', left: 'no table', change: broken(failing('write', 'EIO', 8 * MIB)) },
  { what: 'failing when read back', code: 'E_CARD_FAILED', left: 'no table', change: broken(failing('read', 'EIO', 8 * MIB)) },
  { what: 'failing when made durable', code: 'E_CARD_FAILED', left: 'no table', change: broken(() => ({ sync: async () => { throw Object.assign(new Error('EIO'), { code: 'EIO' }); } })) },
  { what: 'giving back a flipped bit', code: 'E_CARD_VERIFY', left: 'no table', change: broken(flipped(9 * MIB + 77)) },
  { what: 'asked for an image that is cut', code: 'E_IMAGE_CORRUPT', left: 'no table', all: true, change: () => otherImage('cut', readFileSync(image.path).subarray(0, -1_000_000)) },
  { what: 'asked for a damaged image', code: 'E_IMAGE_CORRUPT', left: 'no table', all: true, hint: /it is downloaded anew/, change: () => otherImage('damaged', damaged()) },
  { what: 'asked for a damaged image of a person’s own', code: 'E_IMAGE_CORRUPT', left: 'no table', all: true, hint: /^Put a whole one there/, change: () => { const { image: own } = otherImage('own', damaged()); return { image: { ...own!, given: true } }; } },
  { what: 'asked for another image than the pinned one', code: 'E_IMAGE_CORRUPT', left: 'no table', all: true, change: () => otherImage('other', readFileSync(smallImage(host.scratch, 'another', IMAGE_MIB).path)) },
  { what: 'asked for a longer image than the pinned one', code: 'E_IMAGE_CORRUPT', left: 'untouched', all: true, change: () => ({ image: { ...image, rawBytes: image.raw.length - 512 } }) },
  { what: 'asked for what is no image', code: 'E_IMAGE_CORRUPT', left: 'untouched', all: true, change: () => otherImage('text', Buffer.from('no image at all')) },
  { what: 'asked for an image that is not there', code: 'E_IMAGE_MISSING', left: 'untouched', all: true, change: () => ({ image: { path: join(host.scratch, 'none.raw.zst') } }) },
  { what: 'the disk of this system', code: 'E_CARD_SYSTEM', left: 'untouched', loop: true, change: async ({ device }) => { filesystem(device); return { at: (await blocks.mount(device, '/boot')).see(host) }; } },
  { what: 'mounted', code: 'E_CARD_BUSY', left: 'untouched', loop: true, change: async ({ device }) => { filesystem(device); return { at: (await blocks.mount(device, '/mnt')).see(host) }; } },
  { what: 'mounted where we can’t see it', code: 'E_CARD_BUSY', left: 'untouched', loop: true, change: async ({ device }) => { filesystem(device); await blocks.mount(device, '/mnt'); return {}; } },
  { what: 'held by another writer', code: 'E_CARD_BUSY', left: 'untouched', loop: true, change: async ({ device }) => { const held = await openDevice(await proveCard(host, device)); return { undo: () => void held.close() }; } },
  { what: 'locked', code: 'E_CARD_READ_ONLY', left: 'untouched', loop: true, change: ({ device }) => { execFileSync('blockdev', ['--setro', device]); return { undo: () => execFileSync('blockdev', ['--setrw', device]) }; } },
  { what: 'a small disk', code: 'E_CARD_SMALL', left: 'untouched', loop: true, change: ({ file, device }) => { truncateSync(file, 4_000_000_000); execFileSync('losetup', ['--set-capacity', device]); return {}; } },
  { what: 'of another serial', code: 'E_CARD_SERIAL', left: 'untouched', loop: true, change: () => ({ serial: '0x1234' }) },
  { what: 'another card of the same size in the same reader', code: 'E_CARD_SWAPPED', left: 'untouched', loop: true,
    change: ({ device }) => { const photos = cardFile(host.scratch, 'photos', old); return { also: [photos], open: afterProof(device, () => blocks.swap(device, photos)) }; } },
];

/** All that a card's file holds where anything was put, and how much of it is stored. */
async function contentsOf(file: string): Promise<{ begin: Buffer; end: Buffer; stored: number }> {
  const { size, blocks: stored } = statSync(file);
  const end = Buffer.alloc(MIB);
  const open = openSync(file, 'r');
  readSync(open, end, 0, MIB, size - MIB);
  closeSync(open);
  return { begin: await start(file, old.length), end, stored };
}

for (const one of CASES) {
  test(`a card that is ${one.what}: ${one.code}, ${one.left === 'untouched' ? 'nothing is written to it' : 'it does not boot'}, and nothing else is touched`, async (t: TestContext) => {
    if (one.loop && !loops) return t.skip('no loop devices here');
    const [file, good] = ['subject', 'good'].map((name) => cardFile(host.scratch, name, old)) as [string, string];
    const own = one.loop ? blocks.attach(file) : file;
    const { device = own, serial, open = openDevice, image: asked = image, at = host, also = [], undo = () => {} } = await one.change({ file, device: own, blocks });
    const before = await contentsOf(file);
    const targets = [{ node: 'cp-1', device: good, meta: KEYS }, { node: 'w-1', device, meta: KEYS, ...(serial === undefined ? {} : { serial }) }];
    try {
      await assert.rejects(writeCards(at, { image: asked, targets }, open), (error: FirstlightError) => {
        assert.deepEqual([error.code, error.where.node], [one.code, one.all ? undefined : 'w-1'], error.message);
        if (one.all) assert.ok(error.message.includes(asked.path), error.message);
        return (one.hint ?? /./).test(error.hint);
      });
    } finally {
      undo();
    }
    const left = await contentsOf(file);
    assert.ok(left.begin.subarray(image.raw.length).equals(before.begin.subarray(image.raw.length)), 'beyond the image');
    if (one.left === 'untouched') assert.ok(left.begin.equals(before.begin) && left.end.equals(before.end) && left.stored === before.stored);
    else assert.equal(parseGpt(left.begin), undefined);
    const other = await start(good, old.length);
    if (one.all && one.left === 'no table') assert.equal(parseGpt(other), undefined);
    else assert.ok(other.subarray(0, image.raw.length).equals(one.all ? old.subarray(0, image.raw.length) : expected(image, KEYS)), 'the good card');
    for (const path of [bystander, ...also]) {
      assert.ok((await start(path, old.length)).equals(old), path);
      assert.equal(statSync(path).size, CARD_BYTES);
    }
    assert.equal(host.events.filter((event) => event.code === 'card.written' && event.node === 'w-1').length, 0);
  });
}
