import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { startFactory, type LabFactory } from '../../lab/factory/factory.ts';
import { readLock, updateLock } from '../../lib/lock-file.ts';
import { ensureImage, observeImage, type ImageRequest } from '../../talos/image.ts';
import { partOf } from '../../talos/image-cache.ts';
import { sourcesOf } from '../../talos/image-source.ts';
import { postSchematic, schematicYaml } from '../../talos/schematic.ts';
import { testHost, type TestHost } from '../support/host.ts';

const yaml = schematicYaml({ overlay: { image: 'siderolabs/sbc-raspberrypi', name: 'rpi_generic' }, extensions: ['siderolabs/iscsi-tools'], kernelArgs: [] });

let folder: string;
let factory: LabFactory;
let host: TestHost;
let request: ImageRequest;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
  factory = await startFactory({ address: '127.33.2.1', port: 0, folder });
});
after(async () => {
  await factory.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  host = testHost();
  const schematicId = await postSchematic(host, factory.url, yaml);
  request = { factory: factory.url, schematicId, version: '1.11.0', lockFile: join(host.scratch, 'firstlight.lock.yaml'), cacheFolder: join(host.scratch, 'images') };
});
afterEach(() => {
  factory.fail(undefined);
  host.remove();
});

function downloads(): number {
  return factory.requests.filter((one) => one.line.startsWith('GET /image/')).length;
}

test('an image is downloaded once, pinned with both hashes, and then taken from the cache', async () => {
  assert.equal((await observeImage(host, request)).state, 'needed');
  const before = downloads();
  const image = await ensureImage(host, request);
  assert.equal(image.rawBytes, 2246 * 1024 * 1024);
  assert.equal(createHash('sha256').update(readFileSync(image.path)).digest('hex'), image.compressedSha256);
  const { path, ...pin } = image;
  assert.deepEqual((await readLock(request.lockFile)).images[`${request.schematicId}/v1.11.0/metal-arm64.raw.zst`], pin);
  assert.equal((await observeImage(host, request)).state, 'done');
  assert.deepEqual(await ensureImage(host, { ...request, version: 'v1.11.0' }), image);
  assert.equal(downloads(), before + 1);
  const progress = host.events.findLast((event) => event.data?.['phase'] === 'download');
  assert.equal(progress?.data?.['bytes'], statSync(path).size);
  writeFileSync(path, 'damaged');
  assert.equal((await observeImage(host, request)).state, 'needed');
  assert.deepEqual(await ensureImage(host, request), image);
});

test('a download that is cut goes on where it was, and the bytes are the same', async () => {
  const whole = await ensureImage(host, request);
  const other = { ...request, cacheFolder: join(host.scratch, 'second') };
  factory.fail('cut');
  const heal = { ...host, emit: (event: { code: string }) => { if (event.code === 'image.retry') factory.fail(undefined); } };
  assert.equal((await ensureImage(heal, other)).compressedSha256, whole.compressedSha256);
  assert.match(factory.requests.at(-1)?.range ?? '', /^bytes=\d{6,}-$/);
  assert.deepEqual(readdirSync(other.cacheFolder), [`${whole.compressedSha256}.raw.zst`]);
});

test('a part of another download is thrown away when the whole is not the pinned one', async () => {
  const whole = await ensureImage(host, request);
  const other = { ...request, cacheFolder: join(host.scratch, 'second') };
  await ensureImage(host, other);
  const part = partOf(other, sourcesOf(other)[0]!);
  writeFileSync(part, Buffer.alloc(1_000_000, 1));
  truncateSync(join(other.cacheFolder, `${whole.compressedSha256}.raw.zst`), 5);
  assert.equal((await ensureImage(host, other)).compressedSha256, whole.compressedSha256);
});

test('an image that is not the pinned one is refused, and the pin stays', async () => {
  const name = `${request.schematicId}/v1.11.0/metal-arm64.raw.zst`;
  const pin = { compressedSha256: 'ab'.repeat(32), compressedBytes: 1, rawSha256: 'cd'.repeat(32), rawBytes: 1 };
  await updateLock(request.lockFile, { images: { [name]: pin } });
  await assert.rejects(ensureImage(host, request), { code: 'E_IMAGE_CHANGED', where: { file: request.lockFile } });
  assert.deepEqual((await readLock(request.lockFile)).images[name], pin);
  assert.deepEqual(readdirSync(request.cacheFolder), []);
});

test('a damaged image at first use is not pinned', async () => {
  factory.fail('corrupt');
  await assert.rejects(ensureImage(host, request), { code: 'E_IMAGE_CORRUPT' });
  assert.ok(!existsSync(request.lockFile));
  assert.deepEqual(readdirSync(request.cacheFolder), []);
});

test('an unknown version or schematic is told at once; a factory that refuses is given up', async () => {
  await assert.rejects(ensureImage(host, { ...request, version: '9.9.9' }), { code: 'E_IMAGE_UNKNOWN' });
  await assert.rejects(ensureImage(host, { ...request, schematicId: '0'.repeat(64) }), { code: 'E_IMAGE_UNKNOWN' });
  factory.fail('refuse');
  const quick = { ...host, clock: { ...host.clock, sleep: async (ms: number, signal?: AbortSignal) => host.clock.sleep(ms > 60_000 ? ms : 1, signal) } };
  await assert.rejects(ensureImage(quick, request), { code: 'E_FACTORY' });
});

test('two runs that download the same image at the same time both get it', async () => {
  const other = { ...request, lockFile: join(host.scratch, 'other.lock.yaml') };
  const [one, two] = await Promise.all([ensureImage(host, request), ensureImage(host, other)]);
  assert.deepEqual(one, two);
  assert.deepEqual(readdirSync(request.cacheFolder), [`${one.compressedSha256}.raw.zst`]);
});

test('what killed runs left in the cache goes when it is a week old', async () => {
  mkdirSync(request.cacheFolder, { recursive: true });
  const [old, young] = [join(request.cacheFolder, 'old.raw.zst.part'), join(request.cacheFolder, 'young.raw.xz.part')];
  for (const path of [old, young]) writeFileSync(path, 'x');
  utimesSync(old, 1, 1);
  await ensureImage(host, request);
  assert.deepEqual([existsSync(old), existsSync(young)], [false, true]);
});

test('an abort ends a download at once', async () => {
  const aborting = { ...host, emit: () => host.abort.abort() };
  factory.fail('cut');
  await assert.rejects(ensureImage(aborting, request), { name: 'AbortError' });
});
