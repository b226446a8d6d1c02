import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findScenario, loadScenario, parseScenario, scenarioFiles } from '../../../bootstrap/scenarios/load.ts';
import { missingPart, requireParts } from '../../../bootstrap/scenarios/parts.ts';
import type { ManyErrors } from '../../../lib/errors.ts';
import type { Cluster } from '../../../nodes/cluster.ts';
import { loadCluster } from '../../../nodes/load.ts';

const shipped = fileURLToPath(new URL('../../../scenarios', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'firstlight-scenarios-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('the nine that firstlight brings are read, in the order in which they are told', async () => {
  const files = await scenarioFiles(folder, shipped);
  assert.deepEqual([...files.keys()], ['worker-dead', 'control-plane-dead', 'control-plane-dead-no-snapshot', 'all-nodes-dead', 'nas-configuration-lost', 'git-host-lost', 'cluster-key-lost', 'stale-backup', 'wrong-secrets-bundle']);
  const all = await Promise.all([...files.values()].map(loadScenario));
  assert.deepEqual(all.filter(({ expect }) => expect.end === 'failure').map(({ name }) => name), ['stale-backup', 'wrong-secrets-bundle']);
  for (const { title, story } of all) assert.ok(title.length > 5 && story.length > 80 && !story.includes('\n'));
  const worker = all[0]!;
  assert.deepEqual([worker.recovery, worker.budget], [{ command: 'rebuild', node: 'worker with volumes', options: {}, answers: {} }, { rtoMs: 45 * 60_000, rpoMs: 0 }]);
});

test('an own scenario goes before one of its name; a path is taken as it is; an unknown name is told with what there is', async () => {
  const own = join(folder, 'scenarios');
  mkdirSync(own, { recursive: true });
  const text = 'title: Mine\nstory: A tale.\ndisaster:\n  - kill: gandalf-w-1\n    what: card\nrecovery:\n  rebuild: gandalf-w-1\nexpect:\n  objects: same\n';
  writeFileSync(join(own, 'worker-dead.yaml'), text);
  writeFileSync(join(folder, 'aside.yaml'), text);
  assert.equal((await findScenario('worker-dead', folder, shipped)).title, 'Mine');
  assert.equal((await findScenario(join(folder, 'aside.yaml'), folder, shipped)).name, 'aside');
  await assert.rejects(findScenario('worker-ded', folder, shipped), (error: { code?: string; hint?: string }) => error.code === 'E_SCENARIO_UNKNOWN' && /Did you mean worker-dead/.test(error.hint ?? ''));
  await assert.rejects(findScenario(join(folder, 'none.yaml'), folder, shipped), { code: 'E_SCENARIO_FILE' });
});

test('all mistakes of a file at once, each at its place', () => {
  const text = 'title: ""\nstroy: x\nstory: y\ndisaster:\n  - lose: everything\nrecovery:\n  rebuild: a\n  restore: newest\nexpect:\n  objects: same\nbudget:\n  rto: soon\n';
  const error = failure(text);
  assert.equal(error.code, 'E_SCENARIO');
  assert.deepEqual(error.problems.map(({ code, where }) => [code, where.line]), [['E_SCENARIO_VALUE', 1], ['E_SCENARIO_KEY', 2], ['E_SCENARIO_VALUE', 5], ['E_SCENARIO_VALUE', 6], ['E_SCENARIO_VALUE', 12]]);
  assert.deepEqual(failure('title: [\n').problems.map(({ code }) => code)[0], 'E_SCENARIO_YAML');
  assert.match(failure('title: a\nstory: b\ndisaster: []\nrecovery: { restore: newest }\nexpect: { fails: E_X }\n').problems[0]!.message, /because/);
});

function failure(text: string): ManyErrors {
  try {
    parseScenario(text, 'own.yaml');
  } catch (error) {
    return error as ManyErrors;
  }
  assert.fail('it was taken');
}

test('a scenario that breaks what a cluster does not have is told by that part', async () => {
  const whole = await loadCluster(fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url)));
  const { nas: _nas, gitops: _gitops, ...bare } = whole;
  const missing = async (cluster: Cluster): Promise<string[]> => (await Promise.all([...(await scenarioFiles(folder, shipped)).values()].filter((file) => file.startsWith(shipped)).map(loadScenario)))
    .flatMap((scenario) => (missingPart(cluster, scenario) === undefined ? [] : [`${scenario.name}: ${missingPart(cluster, scenario)}`]));
  assert.deepEqual(await missing(whole), []);
  assert.deepEqual(await missing(bare), ['nas-configuration-lost: NAS', 'git-host-lost: GitOps repository', 'cluster-key-lost: GitOps repository']);
  const own = parseScenario('title: a\nstory: b\ndisaster: [{ kill: gandalf-w-9, what: card }]\nrecovery: { rebuild: gandalf-w-9 }\nexpect: { objects: same }\n', 'own.yaml');
  assert.throws(() => requireParts(whole, own), { code: 'E_SCENARIO_PART' });
});
