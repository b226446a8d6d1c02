import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { planSteps, runSteps } from '../../bootstrap/runner.ts';
import { storageProofStep, storageStep } from '../../bootstrap/steps/storage.ts';
import { loadCluster } from '../../nodes/load.ts';
import type { Credentials } from '../../nodes/credentials.ts';
import { credentials, failure, openDesk, writesOf } from '../storage/support.ts';

const ADDRESS = '127.21.11.1';
const gandalf = await loadCluster(join(import.meta.dirname, '../../examples/homelab/machines/gandalf'));
const iqn = (machine: string): string => `iqn.2017-11.dev.talos:${machine}`;

async function open(secrets: Credentials = credentials) {
  const desk = await openDesk(ADDRESS, { https: false });
  const facts: Facts = { ...createFacts({ ...gandalf, nas: desk.nas, folder: desk.host.scratch }, desk.host.scratch), credentials: async () => secrets };
  for (const [index, node] of gandalf.nodes.entries()) facts.initiators.set(node.name, iqn(`card-1-${index}`));
  const steps = [storageStep(facts, desk.nas, []), storageProofStep(facts, desk.nas)];
  return { desk, facts, steps, [Symbol.asyncDispose]: () => desk[Symbol.asyncDispose]() };
}

test('a wrong password is sent once by `status` and once by `up`, whatever else they look at', async () => {
  await using at = await open({ ...credentials, nasPassword: 'canary-wrong-9' });
  const logins = (): number => at.desk.lab.requests.filter((request) => request.method === 'login').length;
  const [storage] = await planSteps(at.steps, at.desk.host);
  assert.equal(storage?.end, 'would');
  assert.equal(logins(), 1);
  assert.equal((await failure(runSteps(at.steps, at.desk.host))).code, 'E_DSM_LOGIN');
  assert.equal(logins(), 2);
});

test('the steps remember the LUNs they found, for the volumes; a second run only reads', async () => {
  await using at = await open();
  assert.deepEqual(await writesOf(at.desk, () => runSteps(at.steps, at.desk.host)), ['create', 'create', 'map_target']);
  const { uuid } = at.desk.lab.luns()[0]!;
  assert.deepEqual([...at.facts.luns.values()].map((lun) => [lun.name, lun.uuid, lun.number, lun.masked]), [['gandalf-data', uuid, 1, false]]);
  assert.deepEqual(await writesOf(at.desk, () => runSteps(at.steps, at.desk.host)), []);
});

test('a rebuilt node’s new IQN is let in where the owner masks, and the old one is told until it is taken out', async () => {
  await using at = await open();
  await runSteps(at.steps, at.desk.host);
  at.desk.lab.addHost({ name: 'gandalf', initiators: [...at.facts.initiators.values()], luns: [at.desk.lab.luns()[0]!.uuid] });
  assert.deepEqual(await writesOf(at.desk, () => runSteps(at.steps, at.desk.host)), []);
  at.facts.initiators.set('gandalf-w-2', iqn('card-2'));
  let detail = '';
  assert.deepEqual(await writesOf(at.desk, async () => { detail = (await runSteps(at.steps, at.desk.host)).steps.map((end) => end.detail).join('\n'); }), ['map_initiator']);
  assert.ok(at.desk.lab.hosts()[0]!.initiators.includes(iqn('card-2')));
  assert.match(detail, /mapped with CHAP; ! LUN gandalf-data: iqn\.2017-11\.dev\.talos:card-1-2 is no node of this cluster/);
  assert.match(detail, /lets only named initiators in, so not proven from here/);
  assert.ok(at.desk.host.events.some((event) => event.code === 'storage.note'));
});
