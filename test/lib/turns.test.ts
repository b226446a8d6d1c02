import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readLock } from '../../lib/lock-file.ts';
import { inTurn } from '../../lib/turns.ts';

let folder: string;
let path: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'firstlight-test-')); path = join(folder, 'firstlight.lock.yaml'); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('what several processes pin in one lock file at the same time is all there', async () => {
  const lockFile = fileURLToPath(new URL('../../lib/lock-file.ts', import.meta.url));
  const script = `import { updateLock } from ${JSON.stringify(lockFile)};
    const pin = { compressedSha256: 'ab'.repeat(32), compressedBytes: 5, rawSha256: 'cd'.repeat(32), rawBytes: 10 };
    for (let index = 0; index < 15; index += 1) await updateLock(${JSON.stringify(path)}, { images: { [process.argv[1] + '-' + index]: pin } });`;
  const run = promisify(execFile);
  await Promise.all(['a', 'b', 'c'].map((name) => run(process.execPath, ['--input-type=module-typescript', '-e', script, name])));
  assert.equal(Object.keys((await readLock(path)).images).length, 45);
  assert.deepEqual(readdirSync(folder), ['firstlight.lock.yaml']);
});

test('two in one process take turns, and a failure gives the turn back', async () => {
  const seen: string[] = [];
  const work = (name: string) => async (): Promise<void> => {
    seen.push(`${name} begins`);
    await new Promise(setImmediate);
    seen.push(`${name} ends`);
    if (name === 'one') throw new Error(name);
  };
  const one = inTurn(path, work('one'));
  const two = inTurn(path, work('two'));
  await assert.rejects(one, /one/);
  await two;
  assert.deepEqual(seen.map((word) => word.split(' ')[1]), ['begins', 'ends', 'begins', 'ends']);
  assert.deepEqual(readdirSync(folder), []);
});

test('the turn of a dead process of this machine is taken away at once, that of a living one is not', async () => {
  const turn = join(folder, '.firstlight.lock.yaml.turn');
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  writeFileSync(turn, `${dead} ${hostname()} aa\n`);
  await inTurn(path, async () => assert.match(readFileSync(turn, 'utf8'), new RegExp(`^${process.pid} `)));
  assert.deepEqual(readdirSync(folder), []);
  const held = `${process.pid} ${hostname()} bb\n`;
  writeFileSync(turn, held);
  let done = false;
  const waiting = inTurn(path, async () => { done = true; });
  for (let looks = 0; looks < 100; looks += 1) assert.equal(await readFile(turn, 'utf8'), held);
  assert.equal(done, false);
  rmSync(turn);
  await waiting;
  assert.ok(done);
});
