import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { FirstlightError } from '../../lib/errors.ts';
import { readLock, updateLock } from '../../lib/lock-file.ts';

const id = 'ab'.repeat(32);
const pin = { compressedSha256: id, compressedBytes: 5, rawSha256: 'cd'.repeat(32), rawBytes: 10 };

let folder: string;
let path: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'firstlight-test-')); path = join(folder, 'firstlight.lock.yaml'); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a lock file that is not there pins nothing, and is made with a heading', async () => {
  assert.deepEqual(await readLock(path), { images: {}, cards: {} });
  await updateLock(path, { schematic: id, images: { 'a/v1.11.0/b': pin } });
  assert.deepEqual(await readLock(path), { schematic: id, images: { 'a/v1.11.0/b': pin }, cards: {} });
  assert.match(readFileSync(path, 'utf8'), /^# What firstlight pinned/);
});

test('an update keeps comments, order and what others wrote; an update without a change writes nothing', async () => {
  writeFileSync(path, `# mine\ntools:\n  flux: 2.9.5 # newest\nschematic: ${'00'.repeat(32)}\n`);
  await updateLock(path, { schematic: id });
  assert.equal(readFileSync(path, 'utf8'), `# mine\ntools:\n  flux: 2.9.5 # newest\nschematic: ${id}\n`);
  const odd = `# mine\n\nschematic:    ${id}\n`;
  writeFileSync(path, odd);
  await updateLock(path, { schematic: id });
  assert.equal(readFileSync(path, 'utf8'), odd);
});

test('changes asked for side by side are all there, and one that fails stops no other', async () => {
  const bad = { certificate: Symbol('no text') as unknown as string };
  const pins = [0, 1, 2, 3, 4, 5].map((index) => updateLock(path, { images: { [`image-${index}`]: pin } }));
  const failed = updateLock(path, { nas: bad });
  await Promise.all([...pins, updateLock(path, { schematic: id }), assert.rejects(failed), updateLock(path, { nas: { certificate: id } })]);
  const lock = await readLock(path);
  assert.equal(Object.keys(lock.images).length, 6);
  assert.deepEqual([lock.schematic, lock.nas], [id, { certificate: id }]);
});

test('a lock file that is damaged is an error with its place, never overwritten', async () => {
  for (const text of ['schematic: [', '- a\n', 'schematic: abc\n', 'images: {x: {rawBytes: 1}}\n', 'images: 7\n']) {
    writeFileSync(path, text);
    await assert.rejects(readLock(path), (error: FirstlightError) => error.code === 'E_LOCK' && error.where.file === path, text);
  }
  writeFileSync(path, 'schematic: [');
  await assert.rejects(updateLock(path, { schematic: id }), { code: 'E_LOCK' });
  assert.equal(readFileSync(path, 'utf8'), 'schematic: [');
});

test('the version of Flux is pinned as its text, and anything else there is told', async () => {
  await updateLock(path, { flux: 'v2.9.5' });
  assert.equal((await readLock(path)).flux, 'v2.9.5');
  await updateLock(path, { schematic: id });
  assert.equal((await readLock(path)).flux, 'v2.9.5');
  for (const wrong of ['2.9', 'latest', '[v2.9.5]']) {
    writeFileSync(path, `flux: ${wrong}\n`);
    await assert.rejects(readLock(path), { code: 'E_LOCK' });
  }
});

test('a rebuild under way is kept whole, and goes when it has ended; so does the record of an etcd that was lost', async () => {
  const rebuild = { node: 'cp-1', way: 'only', since: '2026-11-23T07:00:00.000Z', nonce: 'ab', labels: { shelf: 'top' }, taints: ['a=b:NoSchedule'], recover: { from: 'nothing' } } as const;
  await updateLock(path, { rebuild, etcd: { node: 'cp-1', finished: true }, cards: { 'w-1': 'cd' } });
  await updateLock(path, { schematic: id, cards: { 'cp-1': 'ab' } });
  const held = await readLock(path);
  assert.deepEqual([held.rebuild, held.cards], [rebuild, { 'w-1': 'cd', 'cp-1': 'ab' }]);
  await updateLock(path, { rebuild: null, etcd: null });
  assert.deepEqual(await readLock(path), { schematic: id, images: {}, cards: { 'w-1': 'cd', 'cp-1': 'ab' }, cardsSince: { 'cp-1': rebuild.since } });
  writeFileSync(path, 'rebuild: { node: cp-1, way: sideways, since: x, nonce: y }\n');
  await assert.rejects(readLock(path), { code: 'E_LOCK' });
});

test('the key that signs backups is pinned, and anything else there is told', async () => {
  const signer = 'jL2XtbYq7cHX2zvE3lQ0V1oC2dDq4vE9hG0w7n8kR5s';
  await updateLock(path, { backup: { signer } });
  assert.deepEqual((await readLock(path)).backup, { signer });
  writeFileSync(path, 'backup: { signer: me }\n');
  await assert.rejects(readLock(path), (error: FirstlightError) => error.code === 'E_LOCK' && /backup\.signer/.test(error.message));
});
