import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Rebuilt } from '../../../bootstrap/rebuild/rebuild.ts';
import { getObjects, kubectl } from '../../../gitops/kubectl.ts';
import { rebuildSummary } from '../../../scripts/terminal/rebuild.ts';
import { startCli } from '../../support/cli.ts';
import { until } from '../../support/processes.ts';
import { rebuildIn, rebuildInPieces, rebuildWithTheOldBoard, upAgain, type Disturbed } from '../../support/rebuild.ts';
import { openRehearsal, type Rehearsal } from '../../support/rehearsal.ts';
import { wellAgain } from '../../support/rebuilt.ts';

// A worker that holds the LUN dies again and again, each time in another way, in one world: its card, its board, both; with the run cut off
// at every boundary, with the program killed, with the old board coming back. Each time one command brings the same end.

let rehearsal: Rehearsal;
let kubeconfig: string;
before(async () => {
  rehearsal = await openRehearsal(fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url)));
  kubeconfig = (await rehearsal.up()).facts.kubeconfig;
});
after(() => rehearsal.close());

/** The worker whose pod has the LUN now. */
function holder(): string {
  return rehearsal.world.mounts.at(-1)!.node;
}

async function rebuilt(node: string, disturbed: Disturbed = {}, force = false): Promise<Rebuilt> {
  const done = await rebuildIn(rehearsal, { node, force }, disturbed);
  await wellAgain(rehearsal, kubeconfig, done);
  return done;
}

test('its card dies: one command, nobody is asked, and no volume moves before the fence', async () => {
  const node = holder();
  const mounts = rehearsal.world.mounts.length;
  await kubectl(rehearsal.host, kubeconfig, ['label', 'node', node, 'rack=seven']);
  await kubectl(rehearsal.host, kubeconfig, ['taint', 'node', node, 'fan=loud:PreferNoSchedule']);
  await rehearsal.world.kill(node, 'card');
  await rehearsal.world.blankCard(node);
  let atFence: number | undefined;
  const done = await rebuilt(node, { stopAt: (event) => {
    if (event.step === `fence:${node}` && event.code === 'step.done') atFence = rehearsal.world.mounts.length;
    return false;
  } });
  assert.equal(atFence, mounts, 'nothing was mounted anywhere before the old board was off');
  assert.equal(done.vouch?.by, 'switch');
  assert.equal(done.endpoint.silent, 0);
  assert.match(rebuildSummary(done), new RegExp(`${node} is rebuilt: [\\d.]+ (s|min)`));
  const [kube] = await getObjects(rehearsal.host, kubeconfig, [`node/${node}`]);
  assert.equal(kube?.metadata.labels?.['rack'], 'seven', 'what was put on it by hand is on it again');
  assert.ok(JSON.stringify(kube?.spec?.['taints']).includes('"fan"'));
  assert.match(rebuildSummary(done), /What was lost:\n {2}- /);
});

test('it is cut off from the others, but lives and writes on: its power is cut before its volume goes to another', async () => {
  const { world } = rehearsal;
  const node = holder();
  const { address } = rehearsal.cluster.nodes.find((each) => each.name === node)!;
  const held = (): number => world.nas!.sessions().filter((session) => session.address === address).length;
  await world.cutOff(node);
  await world.blankCard(node);
  const seen: [string, number][] = [];
  await rebuilt(node, {
    hands: async (question) => {
      // The person mends its cable while changing the card.
      if (question.code === 'cards.insert') await world.rejoin(node);
      return undefined;
    },
    stopAt: (event) => {
      if (event.code === 'step.acting' && [`fence:${node}`, `evict:${node}`].includes(event.step ?? '')) seen.push([event.step!, held()]);
      return false;
    },
  });
  assert.deepEqual(seen, [[`fence:${node}`, 1], [`evict:${node}`, 0]]);
});

test('its board dies: the spare with another MAC is asked about, and written into cluster.yaml', async () => {
  const node = holder();
  await rehearsal.world.kill(node, 'board');
  const mac = await rehearsal.world.spare(node);
  let asked = '';
  const done = await rebuilt(node, { hands: async (question) => {
    if (question.code !== 'rebuild.spare') return undefined;
    asked = question.text;
    return 'yes';
  } });
  assert.ok(asked.includes(mac), asked);
  assert.equal(done.cluster.nodes.find((each) => each.name === node)?.mac, mac);
  assert.equal(done.mac, mac);
});

test('both die, and the run is cut off as one step after another begins to act, and as it ends: the same end', async () => {
  const node = holder();
  await rehearsal.world.kill(node, 'both');
  const mac = await rehearsal.world.spare(node);
  await rehearsal.world.blankCard(node);
  const boundaries = await rebuildInPieces(rehearsal, { node, mac });
  for (const step of ['drain', 'fence', 'evict', 'card', 'power', 'config', 'rebuilt']) assert.ok(boundaries.includes(`acting ${step}:${node}`), `never cut off at ${step}: ${boundaries.join(', ')}`);
  await wellAgain(rehearsal, kubeconfig, { record: { node } });
});

test('the old board comes back in the middle: it stops the run with the reason, or does no harm; then the same end', async () => {
  const node = holder();
  await rehearsal.world.kill(node, 'board');
  const mac = await rehearsal.world.spare(node);
  await rehearsal.world.blankCard(node);
  const came = await rebuildWithTheOldBoard(rehearsal, { node, mac }, ['fence', 'evict', 'card', 'config', 'ready'].map((step) => `${step}:${node}`));
  assert.deepEqual(came.slice(0, 2).map(([, code]) => code), ['E_FENCE_BROKEN', 'E_FENCE_BROKEN'], JSON.stringify(came));
  await wellAgain(rehearsal, kubeconfig, { record: { node } });
});

test('with a card that was flashed before, the program is killed at one boundary after another, and the same command goes on', async () => {
  const node = holder();
  await rehearsal.world.kill(node, 'both');
  const mac = await rehearsal.world.spare(node);
  await rehearsal.world.blankCard(node);
  // The person has put card and board in place already: the program, which nobody can answer, then finds them.
  await rehearsal.world.hands({ code: 'cards.insert', text: '' });
  const flashed = startCli(rehearsal, ['flash', rehearsal.world.clusterFolder, node, '--plain', '--yes']);
  assert.equal(await flashed.exit, 0, flashed.output());
  const words = ['rebuild', rehearsal.world.clusterFolder, node, '--mac', mac, '--keep-card', '--plain', '--yes'];
  const dry = startCli(rehearsal, [...words, '--dry-run']);
  assert.equal(await dry.exit, 2, dry.output());
  assert.match(dry.output(), /▸ The old board of gandalf-w-\d is off \(! The power of gandalf-w-\d is cut\.\)/);
  for (const moment of [`▸ The old board of ${node} is off`, `▸ Kubernetes lets go of the old ${node}`, `▸ Card of ${node}`, `▸ Machine config of ${node}`]) {
    const started = startCli(rehearsal, words);
    await until(moment, 240_000, () => {
      assert.equal(started.child.exitCode, null, started.output());
      return started.output().includes(moment);
    });
    await started.kill();
  }
  const last = startCli(rehearsal, words);
  assert.equal(await last.exit, 0, last.output());
  assert.match(last.output(), new RegExp(`${node} is rebuilt`));
  assert.doesNotMatch(last.output(), /to be written/, 'the card from before was kept');
  await wellAgain(rehearsal, kubeconfig, { record: { node } });
});

test('a node that is well is refused, unless its name is typed: then it is drained before its power is cut', async () => {
  const node = holder();
  await assert.rejects(rebuildIn(rehearsal, { node }), { code: 'E_REBUILD_HEALTHY' });
  await assert.rejects(rebuildIn(rehearsal, { node, force: true }, { hands: async (question) => (question.code === 'rebuild.force' ? 'another' : undefined) }), { code: 'E_REBUILD_KEPT' });
  await rehearsal.world.blankCard(node);
  const done = await rebuilt(node, { hands: async (question) => (question.code === 'rebuild.force' ? node : undefined) }, true);
  assert.equal(done.result.steps.find((end) => end.step.id === `drain:${node}`)?.detail, 'cordoned and drained');
});

test('then up has nothing to do', async () => {
  const again = await upAgain(rehearsal);
  assert.deepEqual(again.steps.filter((end) => end.end !== 'already').map((end) => end.step.id), []);
});
