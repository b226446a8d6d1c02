import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { withQuorumWatched } from '../../support/quorum.ts';
import { rebuildIn, rebuildInPieces, rebuildWithTheOldBoard, upAgain } from '../../support/rebuild.ts';
import { wellAgain } from '../../support/rebuilt.ts';
import { openRehearsal, type Rehearsal } from '../../support/rehearsal.ts';

// Six nodes, three of them control planes behind a virtual IP: each control plane dies in turn and is rebuilt, while somebody writes into
// etcd all the time and asks every member how it is.

const gandalf = fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'firstlight-six-'));
const controlPlanes = ['cp-1', 'cp-2', 'cp-3'];
let rehearsal: Rehearsal;
let kubeconfig: string;

before(async () => {
  cpSync(dirname(dirname(gandalf)), home, { recursive: true });
  const path = join(home, 'machines/gandalf/cluster.yaml');
  const file = parseDocument(readFileSync(path, 'utf8'));
  for (const section of ['nas', 'gitops']) file.delete(section);
  file.setIn(['network', 'endpoint'], 'https://192.168.77.10:6443');
  file.set('nodes', file.createNode([...controlPlanes, 'w-1', 'w-2', 'w-3'].map((name, index) => ({
    name, role: name.startsWith('cp') ? 'control plane' : 'worker', mac: `dc:a6:32:77:01:${11 + index}`, address: `192.168.77.${11 + index}`, port: index + 1,
  }))));
  writeFileSync(path, String(file));
  rehearsal = await openRehearsal(dirname(path));
  kubeconfig = (await rehearsal.up()).facts.kubeconfig;
});
after(async () => {
  await rehearsal.close();
  rmSync(home, { recursive: true, force: true });
});

/** An election takes a second or two; a laptop that is busy, more. */
const ELECTION_MS = 15_000;

for (const [node, what] of [['cp-1', 'both'], ['cp-2', 'card'], ['cp-3', 'board']] as const) {
  test(`${node} loses its ${what === 'both' ? 'board and card' : what}: etcd is never without a quorum for longer than an election, and the endpoint stays`, async () => {
    const { world } = rehearsal;
    const { done, told } = await withQuorumWatched(rehearsal, async () => {
      await world.kill(node, what);
      const mac = what === 'card' ? undefined : await world.spare(node);
      await world.blankCard(node);
      return rebuildIn(rehearsal, { node, ...(mac === undefined ? {} : { mac }) });
    });
    await wellAgain(rehearsal, kubeconfig, done);
    assert.ok(told.longestMs < ELECTION_MS, `etcd took no write for ${told.longestMs} ms: ${told.said.join('; ')}`);
    assert.ok(told.writes > 10, `only ${told.writes} writes`);
    assert.deepEqual(told.gaps, [], 'every write that etcd took is there, in its order');
    assert.ok(done.endpoint.longestMs < ELECTION_MS, `the endpoint was silent for ${done.endpoint.longestMs} ms`);
    assert.match(done.result.steps.find((end) => end.step.id === 'etcd-agrees')!.detail, /^3 voting members, leader cp-\d/);
  });
}

test('cp-2 dies again, and the run is cut off at every boundary: the same end, and the quorum stands all the while', async () => {
  const { world } = rehearsal;
  await world.kill('cp-2', 'card');
  await world.blankCard('cp-2');
  const { done: boundaries, told } = await withQuorumWatched(rehearsal, () => rebuildInPieces(rehearsal, { node: 'cp-2' }));
  await wellAgain(rehearsal, kubeconfig, { record: { node: 'cp-2' } });
  for (const step of ['drain', 'fence', 'member', 'evict', 'card', 'config', 'rebuilt']) assert.ok(boundaries.includes(`acting ${step}:cp-2`), `never cut off at ${step}: ${boundaries.join(', ')}`);
  assert.ok(told.longestMs < ELECTION_MS, `etcd took no write for ${told.longestMs} ms: ${told.said.join('; ')}`);
  assert.deepEqual(told.gaps, []);
});

test('the old board of cp-3 comes back in the middle: no split cluster', async () => {
  const { world } = rehearsal;
  await world.kill('cp-3', 'board');
  const mac = await world.spare('cp-3');
  await world.blankCard('cp-3');
  const { done: came, told } = await withQuorumWatched(rehearsal, () => rebuildWithTheOldBoard(rehearsal, { node: 'cp-3', mac }, ['fence', 'member', 'card', 'config', 'etcd', 'ready'].map((step) => (step === 'etcd' ? step : `${step}:cp-3`))));
  await wellAgain(rehearsal, kubeconfig, { record: { node: 'cp-3' } });
  assert.deepEqual(came.slice(0, 2).map(([, code]) => code), ['E_FENCE_BROKEN', 'E_FENCE_BROKEN'], JSON.stringify(came));
  assert.deepEqual(told.gaps, []);
});

test('two dead control planes: the rebuild of either is refused, and nothing is touched', async () => {
  const { world, host } = rehearsal;
  await world.kill('cp-1', 'board');
  await world.kill('cp-2', 'board');
  host.events.splice(0);
  await assert.rejects(rebuildIn(rehearsal, { node: 'cp-1' }), { code: 'E_REBUILD_QUORUM' });
  assert.deepEqual(host.events.filter((event) => /^(step\.acting|intent)/.test(event.code)), []);
  // Both boards come back as they were, in their places (`revive` would take an older one out of the drawer).
  for (const { board } of world.places.filter(({ node }) => ['cp-1', 'cp-2'].includes(node))) {
    board.mend();
    await board.powerOn();
  }
  const again = await upAgain(rehearsal);
  assert.deepEqual(again.steps.filter((end) => end.end === 'done' && !/^(board|config|etcd|kubeconfig|ready|power|cards)/.test(end.step.id)).map((end) => end.step.id), []);
});
