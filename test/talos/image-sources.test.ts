import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { startFactory, type LabFactory } from '../../lab/factory/factory.ts';
import type { FirstlightError } from '../../lib/errors.ts';
import { readLock, updateLock } from '../../lib/lock-file.ts';
import { ensureImage, observeImage } from '../../talos/image.ts';
import type { ImageRequest } from '../../talos/image-source.ts';
import { postSchematic, schematicYaml } from '../../talos/schematic.ts';
import { smallImage } from '../nodes/cards/support.ts';
import { testHost, type TestHost } from '../support/host.ts';

const yaml = schematicYaml({ overlay: { image: 'siderolabs/sbc-raspberrypi', name: 'rpi_generic' }, extensions: [], kernelArgs: [] });

let images: string;
let older: LabFactory;
let host: TestHost;
let request: ImageRequest;
before(async () => {
  images = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
  older = await startFactory({ address: '127.100.25.1', port: 0, folder: images, forms: ['xz'] });
});
after(async () => {
  await older.close();
  rmSync(images, { recursive: true, force: true });
});
beforeEach(async () => {
  host = testHost();
  older.fail(undefined);
  const schematicId = await postSchematic(host, older.url, yaml);
  request = { factory: older.url, schematicId, version: '1.11.0', lockFile: join(host.scratch, 'firstlight.lock.yaml'), cacheFolder: join(host.scratch, 'images') };
});
afterEach(() => host.remove());

const asked = (): string[] => older.requests.filter((one) => one.line.startsWith('GET /image/')).map((one) => one.line.split('.').at(-1) ?? '');

test('a factory that has no .raw.zst gives .raw.xz: pinned by both hashes, kept as zstd, then used without the factory', async () => {
  const before = asked().length;
  const image = await ensureImage(host, request);
  assert.deepEqual(asked().slice(before), ['zst', 'xz']);
  const name = `${request.schematicId}/v1.11.0/metal-arm64.raw.xz`;
  const { path, ...pin } = image;
  assert.deepEqual((await readLock(request.lockFile)).images, { [name]: pin });
  assert.equal(image.rawBytes, 2246 * 1024 * 1024);
  assert.deepEqual(readdirSync(request.cacheFolder), [path.split('/').at(-1)]);
  older.fail('refuse');
  assert.equal((await observeImage(host, request)).state, 'done');
  assert.deepEqual(await ensureImage(host, request), image);

  // Damaged in the cache: fetched again, and only the pinned form is asked for.
  older.fail(undefined);
  truncateSync(path, 1000);
  assert.equal((await observeImage(host, request)).state, 'needed');
  const again = asked().length;
  assert.deepEqual(await ensureImage(host, request), image);
  assert.deepEqual(asked().slice(again), ['xz']);

  // Another file under the same name is refused, and the pin stays.
  rmSync(path);
  older.fail('corrupt');
  await assert.rejects(ensureImage(host, request), { code: 'E_IMAGE_CHANGED', where: { file: request.lockFile } });
  assert.deepEqual(Object.values((await readLock(request.lockFile)).images), [pin]);
  assert.deepEqual(readdirSync(request.cacheFolder), []);
});

/** A small image in all three forms; no factory is there. */
function byHand(form: 'zst' | 'xz' | 'raw'): { request: ImageRequest; raw: Buffer; file: string } {
  const { path, raw } = smallImage(host.scratch, 'hand');
  const plain = join(host.scratch, 'hand.raw');
  writeFileSync(plain, raw);
  const file = form === 'zst' ? path : form === 'raw' ? plain : `${plain}.xz`;
  if (form === 'xz') execFileSync('xz', ['-0', '--keep', plain]);
  return { raw, file, request: { ...request, factory: 'http://127.100.25.9:1', file } };
}

for (const form of ['zst', 'xz', 'raw'] as const) {
  test(`a .${form} given by hand is pinned at first use without any factory, and refused when it changes`, async () => {
    const given = byHand(form);
    assert.equal((await observeImage(host, given.request)).state, 'needed');
    const image = await ensureImage(host, given.request);
    const rawSha256 = createHash('sha256').update(given.raw).digest('hex');
    assert.deepEqual([image.rawSha256, image.rawBytes, image.compressedBytes], [rawSha256, given.raw.length, statSync(given.file).size]);
    assert.ok(zstdDecompressSync(readFileSync(image.path)).equals(given.raw));
    const { path: _, given: own, ...pin } = image;
    assert.equal(own, form === 'zst' ? true : undefined);
    assert.deepEqual((await readLock(request.lockFile)).images, { [`file:hand.raw${form === 'raw' ? '' : `.${form}`}`]: pin });
    assert.equal((await observeImage(host, given.request)).state, 'done');
    assert.deepEqual(await ensureImage(host, given.request), image);
    if (form !== 'zst') {
      writeFileSync(image.path, 'damaged');
      assert.deepEqual((await ensureImage(host, given.request)).rawSha256, rawSha256, 'a damaged copy is made anew');
    }
    appendFileSync(given.file, 'more');
    assert.equal((await observeImage(host, given.request)).state, 'needed');
    await assert.rejects(ensureImage(host, given.request), { code: 'E_IMAGE_CHANGED', where: { file: request.lockFile } });
    assert.deepEqual(Object.values((await readLock(given.request.lockFile)).images), [pin]);
    rmSync(given.file);
    await assert.rejects(ensureImage(host, given.request), { code: 'E_IMAGE_MISSING' });
    assert.ok(readdirSync(host.scratch).every((name) => !name.endsWith('.part')));
  });
}

test('a file given by hand that is no whole Talos image is not pinned, and nobody is told to download it', async () => {
  const { raw } = byHand('raw');
  const short = raw.subarray(0, raw.length - 1024 * 1024);
  const cases = [
    ['none.raw', Buffer.from('photos')], ['empty.raw', Buffer.alloc(0)], ['short.raw', short], ['short.raw.zst', zstdCompressSync(short)], ['none.raw.zst', zstdCompressSync(Buffer.alloc(40_000))],
    ['torn.raw.zst', zstdCompressSync(raw).subarray(0, 1_000_000)], ['text.raw.zst', Buffer.from('photos')], ['text.raw.xz', Buffer.from('photos')],
  ] as const;
  for (const [name, bytes] of cases) {
    const file = join(host.scratch, name);
    writeFileSync(file, bytes);
    await assert.rejects(ensureImage(host, { ...request, file }), (error: FirstlightError) => error.code === 'E_IMAGE_CORRUPT'
      && error.message.includes(file) && /put a whole (one|image) there/i.test(error.hint) && !/downloaded anew/.test(error.hint), name);
    assert.deepEqual(readdirSync(request.cacheFolder), [], name);
  }
  assert.deepEqual((await readLock(request.lockFile)).images, {});
});

test('unpacking xz and packing it anew tell how far they are', async () => {
  const given = byHand('xz');
  let now = 0;
  const clock = { now: () => { now += 300; return now; }, sleep: (_: number, signal?: AbortSignal) => host.clock.sleep(1, signal) };
  await ensureImage({ ...host, clock }, given.request);
  const told = host.events.filter((event) => event.code === 'image.progress').map((event) => event.data ?? {});
  assert.deepEqual([...new Set(told.map((one) => one['phase']))], ['unpack', 'pack']);
  for (const { bytes, total, rate } of told) assert.ok(total === given.raw.length && Number(bytes) <= total && Number.isInteger(rate));
});

test('an xz file that is cut is not pinned and leaves nothing; where xz is not there, that is said', async () => {
  const given = byHand('xz');
  const whole = `${given.file}.whole`;
  copyFileSync(given.file, whole);
  truncateSync(given.file, Math.floor(statSync(given.file).size / 2));
  await assert.rejects(ensureImage(host, given.request), { code: 'E_IMAGE_CORRUPT', message: /xz says Unexpected end of input/ });
  assert.deepEqual((await readLock(request.lockFile)).images, {});
  assert.deepEqual(readdirSync(request.cacheFolder), []);
  copyFileSync(whole, given.file);
  host.environment['PATH'] = host.scratch;
  await assert.rejects(ensureImage(host, given.request), { code: 'E_NO_XZ' });
  assert.deepEqual(readdirSync(request.cacheFolder), []);
});

test('a pin whose raw bytes are others is not served', async () => {
  const given = byHand('raw');
  const { path, ...pin } = await ensureImage(host, given.request);
  rmSync(path);
  await updateLock(request.lockFile, { images: { 'file:hand.raw': { ...pin, rawSha256: 'ab'.repeat(32) } } });
  await assert.rejects(ensureImage(host, given.request), { code: 'E_IMAGE_CORRUPT' });
  assert.deepEqual(readdirSync(request.cacheFolder), []);
});
