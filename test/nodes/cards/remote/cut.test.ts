import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { parseGpt } from '../../../../lib/gpt.ts';
import type { CardFile } from '../../../../nodes/cards/desk.ts';
import { openDevice } from '../../../../nodes/cards/device.ts';
import { writeCards } from '../../../../nodes/cards/write.ts';
import { until } from '../../../support/processes.ts';
import { cardFile, expected, smallImage, start } from '../support.ts';
import { NO_PYTHON, workbench, type Workbench } from './support.ts';

/** How often the cable is pulled: a few times here; `FIRSTLIGHT_KILLS=200 node --test test/nodes/cards/remote/cut.test.ts` for all. */
const CUTS = Number(process.env['FIRSTLIGHT_KILLS'] ?? 4);
const KEYS = new Map([[0x0c, 'stamp']]);

let bench: Workbench;
beforeEach(async () => { bench = await workbench('127.100.17.4'); });
afterEach(() => bench.close());

test(`a connection cut ${CUTS} times, at any request to the card, leaves no valid table that is not whole; the agent ends each time`, { skip: NO_PYTHON }, async (t) => {
  const { host, machine } = bench;
  const image = smallImage(host.scratch, 'image', 18);
  const before = smallImage(host.scratch, 'old', 15).raw;
  const after = expected(image, KEYS);
  const seen: Record<string, number> = {};
  let requests = 0;
  for (let round = -1; round < CUTS; round += 1) {
    const device = cardFile(host.scratch, 'card', before);
    // Every other cut is among the last requests, where the table is written.
    const at = round < 0 ? Infinity : round % 2 === 0 ? Math.floor(Math.random() * requests) : requests - 1 - Math.floor(Math.random() * 7);
    let asked = 0;
    let cut: Promise<void> | undefined;
    const tick = (): void => { if (asked++ >= at) cut ??= machine.cut(); };
    const cutting = (file: CardFile): CardFile => ({
      read: (...given) => { tick(); return file.read(...given); },
      write: (...given) => { const done = file.write(...given); tick(); return done; },
      sync: () => { const done = file.sync(); tick(); return done; },
      digest: (...given) => { tick(); return file.digest!(...given); },
    });
    const work = bench.at((desk) => writeCards(host, { image, targets: [{ node: 'cp-1', device, meta: KEYS }], desk }, async (identity) => {
      const card = await openDevice(identity, desk);
      return { ...card, file: cutting(card.file) };
    }));
    if (round < 0) await work;
    else await assert.rejects(work, { code: 'E_READER_LOST', where: { node: 'cp-1' } });
    await cut;
    await until('the agents ended', 5_000, () => machine.running() === 0);
    if (round < 0) requests = asked;
    const there = await start(device, after.length);
    const state = parseGpt(there) === undefined ? 'no table' : there.equals(after) ? 'whole' : there.subarray(0, before.length).equals(before) ? 'untouched' : 'a lie';
    assert.notEqual(state, 'a lie', `cut at request ${at} of ${requests}`);
    if (round < 0) assert.equal(state, 'whole');
    else seen[state] = (seen[state] ?? 0) + 1;
  }
  t.diagnostic(`${requests} requests: ${JSON.stringify(seen)}`);
  assert.ok(seen['no table'], 'no cut met the writing');
});
