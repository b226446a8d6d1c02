import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildImage, rawImage, RAW_IMAGE_BYTES } from '../../../lab/factory/build-image.ts';
import { startFactory, type LabFactory } from '../../../lab/factory/factory.ts';
import { parseGpt } from '../../../lib/gpt.ts';

const MIB = 1024 * 1024;
const contents = { version: 'v1.11.0', schematic: 'ab'.repeat(32), extensions: ['siderolabs/iscsi-tools'] };

let folder: string;
let factory: LabFactory;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-test-'));
  factory = await startFactory({ address: '127.33.3.1', port: 0, folder });
});
after(async () => {
  await factory.close();
  rmSync(folder, { recursive: true, force: true });
});

test('an image has the partitions of Talos at their sizes and its real length', () => {
  let bytes = 0;
  let head: Buffer | undefined;
  for (const piece of rawImage(contents)) {
    head ??= Buffer.from(piece);
    bytes += piece.length;
  }
  assert.equal(bytes, RAW_IMAGE_BYTES);
  const table = parseGpt(head ?? Buffer.alloc(0));
  assert.deepEqual(table?.partitions.map((one) => [one.label, one.bytes / MIB]), [['EFI', 100], ['BIOS', 1], ['BOOT', 2000], ['META', 1]]);
  assert.equal(table?.backup, RAW_IMAGE_BYTES / 512 - 1);
});

test('the same contents give the same bytes, others do not', async () => {
  const build = async (name: string, version: string): Promise<Buffer> => {
    await buildImage(join(folder, name), { ...contents, version });
    return readFileSync(join(folder, name));
  };
  const [one, same, other] = [await build('one', 'v1.11.0'), await build('same', 'v1.11.0'), await build('other', 'v1.12.0')];
  assert.ok(one.equals(same));
  assert.ok(!one.equals(other));
});

test('a served image has a length, ranges and only known versions', async () => {
  const posted = await fetch(`${factory.url}/schematics`, { method: 'POST', body: 'customization: {}' });
  assert.equal(posted.status, 201);
  const { id } = await posted.json() as { id: string };
  assert.equal(id, '376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba');
  const url = `${factory.url}/image/${id}/v1.11.0/metal-arm64.raw.zst`;
  const head = await fetch(url, { method: 'HEAD' });
  const size = Number(head.headers.get('content-length'));
  assert.ok(size > 40 * MIB);
  const piece = await fetch(url, { headers: { range: 'bytes=100-199' } });
  assert.equal(piece.status, 206);
  assert.equal(piece.headers.get('content-range'), `bytes 100-199/${size}`);
  assert.equal((await piece.arrayBuffer()).byteLength, 100);
  assert.equal((await fetch(url, { headers: { range: `bytes=${size}-` } })).status, 416);
  assert.equal((await fetch(url.replace('v1.11.0', 'v0.0.1'))).status, 404);
  assert.ok((await (await fetch(`${factory.url}/versions`)).json() as string[]).includes('v1.11.0'));
});

test('what the factory cannot read it refuses', async () => {
  for (const body of ['bogus: 1', 'customization: {extraKernelArgs: x}', '[', 'customization: {systemExtensions: {officialExtensions: [a/b]}}']) {
    assert.equal((await fetch(`${factory.url}/schematics`, { method: 'POST', body })).status, 400, body);
  }
});
