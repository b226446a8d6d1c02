import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, test } from 'node:test';
import { parseGpt } from '../../../lib/gpt.ts';
import { writeCards } from '../../../nodes/cards/write.ts';
import { testHost, type TestHost } from '../../support/host.ts';
import { faultyCard } from './faulty.ts';
import { keepDiary } from './power-cut.ts';
import { cardFile, expected, smallImage, start } from './support.ts';

/** How often the writer is killed: a few here; `FIRSTLIGHT_KILLS=200 node --test test/nodes/cards/write-killed.test.ts` for all. */
const KILLS = Number(process.env['FIRSTLIGHT_KILLS'] ?? 10);
const CUTS = 200;
const KEYS = new Map([[0x0c, 'new']]);

let host: TestHost;
beforeEach(() => { host = testHost(); });
afterEach(() => host.remove());

/** What a card is after an end at any moment; anything else is a table that promises what is not there. */
function stateOf(there: Buffer, before: Buffer, after: Buffer): 'no table' | 'untouched' | 'whole' | 'a lie' {
  if (parseGpt(there) === undefined) return 'no table';
  if (there.subarray(0, after.length).equals(after)) return 'whole';
  return there.subarray(0, before.length).equals(before) ? 'untouched' : 'a lie';
}

test(`killed ${KILLS} times at any moment, the writer leaves no valid table that is not whole`, async (t) => {
  const image = smallImage(host.scratch, 'image', 64);
  const before = smallImage(host.scratch, 'old').raw;
  const after = expected(image, KEYS);
  const seen: Record<string, number> = {};
  let whole = 0;
  for (let round = -1; round < KILLS; round += 1) {
    const folder = join(host.scratch, `round-${round}`);
    mkdirSync(folder);
    const device = cardFile(folder, 'card', before);
    const writer = spawn(process.execPath, [fileURLToPath(new URL('writer.ts', import.meta.url)), image.path, device], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TMPDIR: folder } });
    const gone = once(writer, 'exit');
    await once(writer.stdout, 'data');
    const begun = performance.now();
    // The first is let live, to know how long the others may; the next is killed as soon as it writes, so that one meets the writing for sure.
    if (round === 0) writer.stdout.on('data', () => writer.kill('SIGKILL'));
    const timer = round <= 0 ? undefined : setTimeout(() => writer.kill('SIGKILL'), 1.1 * whole * Math.random());
    await gone;
    clearTimeout(timer);
    if (round < 0) whole = performance.now() - begun;
    const state = stateOf(await start(device, after.length), before, after);
    assert.notEqual(state, 'a lie', `round ${round}`);
    if (round < 0) assert.equal(state, 'whole');
    else seen[state] = (seen[state] ?? 0) + 1;
    rmSync(folder, { recursive: true });
  }
  t.diagnostic(`${KILLS} kills within ${Math.round(1.1 * whole)} ms: ${JSON.stringify(seen)}`);
  assert.ok(seen['no table'], 'no kill met the writing');
});

test(`a power cut at ${CUTS} random moments, with any of what was not yet synced lost or torn, leaves no valid table that is not whole`, async (t) => {
  const image = smallImage(host.scratch, 'image', 18);
  const before = Buffer.alloc(image.raw.length);
  smallImage(host.scratch, 'old', 15).raw.copy(before);
  const after = expected(image, KEYS);
  const device = cardFile(host.scratch, 'card', before);
  const diary = keepDiary();
  await writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: KEYS }] }, faultyCard('card', diary.watch));
  const seen: Record<string, number> = {};
  for (let cut = 0; cut < CUTS; cut += 1) {
    const state = stateOf(diary.after(Math.floor(Math.random() * (diary.moments() + 1)), before), before, after);
    assert.notEqual(state, 'a lie', `cut ${cut}`);
    seen[state] = (seen[state] ?? 0) + 1;
  }
  assert.equal(stateOf(diary.after(diary.moments(), before), before, after), 'whole');
  t.diagnostic(JSON.stringify(seen));
  assert.ok(seen['no table']);
});
