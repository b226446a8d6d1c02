import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { ManyErrors } from '../../../lib/errors.ts';
import { parseGpt } from '../../../lib/gpt.ts';
import { inspectCard } from '../../../nodes/cards/inspect.ts';
import { writeCards } from '../../../nodes/cards/write.ts';
import { testHost, type TestHost } from '../../support/host.ts';
import { cardFile, expected, smallImage, start } from './support.ts';

const KEYS = new Map([[0x0c, 'stamp of cp-1']]);

let host: TestHost;
beforeEach(() => { host = testHost(); });
afterEach(() => host.remove());

test('four cards from one decode are the image to the byte, each with its own META, and nothing beyond is touched', async () => {
  const image = smallImage(host.scratch, 'image');
  const old = Buffer.alloc(80 * 1024 * 1024, 0x5a);
  const targets = ['cp-1', 'w-1', 'w-2', 'w-3'].map((node, index) => (
    { node, device: cardFile(host.scratch, node, index % 2 ? old : undefined), meta: new Map([[0x0c, `stamp of ${node}`]]) }));
  const written = await writeCards(host, { image, targets });
  assert.deepEqual({ rawSha256: written.rawSha256, rawBytes: written.rawBytes }, { rawSha256: image.rawSha256, rawBytes: image.raw.length });
  for (const { device, meta } of targets) {
    assert.ok((await start(device, image.raw.length)).equals(expected(image, meta)), device);
    const card = await inspectCard(device);
    assert.equal(card.kind, 'talos');
    if (card.kind === 'talos') assert.deepEqual([...card.meta], [[0x0a, 'from the image'], ...meta]);
  }
  const beyond = (await start(targets[1]?.device ?? '', old.length)).subarray(image.raw.length);
  assert.ok(beyond.equals(old.subarray(image.raw.length)));
  const phases = host.events.filter((event) => event.code === 'card.progress' && event.node === 'w-2').map((event) => event.data?.['phase']);
  assert.deepEqual([...new Set(phases)], ['write', 'verify']);
});

test('a sparse card stays sparse', async () => {
  const image = smallImage(host.scratch, 'image', 200);
  const device = cardFile(host.scratch, 'card');
  await writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: KEYS }] });
  assert.ok(statSync(device).blocks * 512 < 60 * 1024 * 1024);
});

test('the cards agree with zstd and cmp', { skip: !existsSync('/usr/bin/zstd') && 'needs zstd' }, async () => {
  const image = smallImage(host.scratch, 'image');
  const device = cardFile(host.scratch, 'card');
  await writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: new Map() }] });
  const raw = join(host.scratch, 'raw');
  execFileSync('zstd', ['-q', '-d', image.path, '-o', raw]);
  execFileSync('cmp', [`--bytes=${image.raw.length}`, raw, device]);
});

test('a missing, a small and a twice given card are refused by name while the good one is written', async () => {
  const image = smallImage(host.scratch, 'image');
  const good = cardFile(host.scratch, 'good');
  const small = cardFile(host.scratch, 'small', undefined, 4_000_000_000);
  const targets = [
    { node: 'cp-1', device: good, meta: KEYS }, { node: 'w-1', device: join(host.scratch, 'nowhere'), meta: KEYS },
    { node: 'w-2', device: small, meta: KEYS }, { node: 'w-3', device: good, meta: KEYS },
  ];
  await assert.rejects(writeCards(host, { image, targets }), (error: ManyErrors) => {
    assert.deepEqual(error.problems.map((one) => [one.code, one.where.node]), [['E_CARD_MISSING', 'w-1'], ['E_CARD_SMALL', 'w-2'], ['E_CARD_BUSY', 'w-3']]);
    return error.code === 'E_CARDS';
  });
  assert.ok((await start(good, image.raw.length)).equals(expected(image, KEYS)));
  assert.equal(statSync(small).blocks, 0);
});

test('an abort ends the write and leaves no table', async () => {
  const image = smallImage(host.scratch, 'image');
  const device = cardFile(host.scratch, 'card', smallImage(host.scratch, 'old').raw);
  const job = { image, targets: [{ node: 'cp-1', device, meta: KEYS }] };
  const aborting = { ...host, emit: (event: { code: string }) => { if (event.code === 'card.progress') host.abort.abort(); } };
  await assert.rejects(writeCards(aborting, job), { name: 'AbortError' });
  assert.equal((await inspectCard(device)).kind, 'blank');
});

test('a card written over an older and longer Talos is not taken for the older one', async () => {
  const image = smallImage(host.scratch, 'image');
  const device = cardFile(host.scratch, 'card', smallImage(host.scratch, 'old', 60).raw);
  await writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: KEYS }] });
  const once = await start(device, 60 * 1024 * 1024);
  await writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: KEYS }] });
  assert.ok((await start(device, once.length)).equals(once));
  assert.equal(parseGpt(once)?.lastUsable, image.raw.length / 512 - 34);
});
