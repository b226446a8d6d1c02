import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openRehearsal, type Rehearsal } from '../../support/rehearsal.ts';

// The machines are the truth: `up` is cut off just as one step after another begins to act, in one and the same world, and
// each next `up` goes on from what is there. At the end everything is as if nothing had happened.

const gandalf = fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url));
const MOMENTS = ['bundle', 'image', 'cards', 'power:gandalf-w-2', 'config:gandalf-cp-1', 'config:gandalf-w-1', 'etcd', 'storage', 'csi-secret', 'volumes', 'age-secret', 'flux', 'reconciled'];
let rehearsal: Rehearsal;
/** Steps whose work is done once in this world; boards that are off and cards in their reader are looked after anew. */
const ONCE = new Set(['bundle', 'credentials', 'schematic', 'image', 'etcd', 'storage', 'csi-secret', 'volumes', 'age-secret', 'flux']);
const finished = new Set<string>();

// With mutual CHAP, which the bundled Gandalf does without.
const home = mkdtempSync(join(tmpdir(), 'firstlight-interrupts-'));
before(async () => {
  cpSync(dirname(dirname(gandalf)), home, { recursive: true });
  const inventory = join(home, 'machines/gandalf/cluster.yaml');
  const text = readFileSync(inventory, 'utf8');
  writeFileSync(inventory, text.replace(/^ {6}user: gandalf$/m, '$&\n      mutualUser: synology'));
  assert.notEqual(readFileSync(inventory, 'utf8'), text);
  rehearsal = await openRehearsal(dirname(inventory));
});
after(async () => {
  await rehearsal.close();
  rmSync(home, { recursive: true, force: true });
});

for (const moment of MOMENTS) {
  test(`cut off as ${moment} begins to act`, async () => {
    let begun = false;
    const work = rehearsal.up({
      stopAt: (event) => {
        if (event.step === moment && event.code === 'step.acting') begun = true;
        return begun && event.step === moment;
      },
    });
    await assert.rejects(work, { code: 'E_ABORTED' });
    assert.ok(begun);
    const events = rehearsal.host.events.splice(0);
    const repeated = events.filter((event) => event.code === 'step.acting' && finished.has(event.step ?? '')).map((event) => event.step);
    assert.deepEqual(repeated, [], 'what was finished is not done again');
    for (const event of events) if (event.code === 'step.done' && ONCE.has(event.step ?? '')) finished.add(event.step!);
  });
}

test('then up finishes, etcd was bootstrapped once, and once more there is nothing to do', async () => {
  await rehearsal.up();
  const again = await rehearsal.up();
  assert.deepEqual(again.result.steps.filter((end) => end.end !== 'already').map((end) => end.step.id), []);
  const members = again.result.steps.find((end) => end.step.id === 'etcd')!.detail.split(', ');
  assert.equal(members.length, 1);
  assert.equal(rehearsal.world.nas!.luns().length, 1);
  assert.deepEqual(rehearsal.world.mounts.map(({ claim, finding }) => [claim, finding.kind]), [['gitea/gitea', 'written']]);
  assert.deepEqual(rehearsal.cluster.nas!.luns.map(({ mutualUser }) => mutualUser), ['synology']);
});
