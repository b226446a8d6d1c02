import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createFacts } from '../../bootstrap/facts.ts';
import type { Rebuilt } from '../../bootstrap/rebuild/rebuild.ts';
import type { Step } from '../../bootstrap/step.ts';
import { loadCluster } from '../../nodes/load.ts';
import { planText, rebuildData, rebuildSummary } from '../../scripts/terminal/rebuild.ts';
import { testHost } from '../support/host.ts';

const cli = fileURLToPath(new URL('../../scripts/cli.ts', import.meta.url));
const gandalf = fileURLToPath(new URL('../../examples/homelab/machines/gandalf', import.meta.url));

async function firstlight(...args: string[]) {
  const host = testHost();
  const result = await host.run({ program: process.execPath, args: [cli, ...args], accept: 'any', timeoutMs: 30_000 });
  host.remove();
  return result;
}

test('what can’t be meant is told before anything is looked at: no node, two nodes, an unknown one, no MAC', async () => {
  const all = await Promise.all([['rebuild', gandalf], ['rebuild', gandalf, 'gandalf-w-1', 'gandalf-w-2'], ['rebuild', gandalf, 'gandalf-w-9'], ['rebuild', gandalf, 'gandalf-w-1', '--mac', 'dc-a6']].map((words) => firstlight(...words)));
  assert.deepEqual(all.map(({ exitCode }) => exitCode), [64, 64, 64, 64]);
  assert.deepEqual(all.map(({ stderr }) => /E_USAGE_\w+/.exec(stderr)?.[0]), ['E_USAGE_NODES', 'E_USAGE_NODES', 'E_USAGE_NODE', 'E_USAGE_MAC']);
  assert.match(all[0]!.stderr, /firstlight rebuild gandalf NODE There are: gandalf-cp-1|Name the node that is to be rebuilt/);
});

async function rebuilt(change: Partial<Rebuilt> = {}): Promise<Rebuilt> {
  const cluster = await loadCluster(gandalf);
  const step = (id: string, part: string, title: string): Step => ({ id, part, title, needs: [], observe: async () => ({ state: 'done', detail: '' }), act: async () => {}, ...(id === 'evict:gandalf-w-2' ? { danger: 'What runs there is given up.' } : {}) });
  const begun = Date.parse('2026-11-23T07:00:00Z');
  return {
    cluster, facts: createFacts(cluster, '/nowhere'),
    record: { node: 'gandalf-w-2', way: 'worker', since: '2026-11-23T07:00:00.000Z', nonce: '00', lost: ['3 pods that ran there'] },
    conclusion: { state: 'dead', way: 'worker', cause: '', answers: [], lost: [], todo: [], never: ['logs that lay on its card alone'] },
    vouch: { by: 'switch', text: 'port 3 of the switch gives no power, read back' },
    endpoint: { looks: 60, silent: 0, longestMs: 0 },
    result: {
      startedAt: begun, ms: 64_000, steps: [
        { step: step('evict:gandalf-w-2', 'Evict', 'Kubernetes lets go'), end: 'done', detail: 'nothing is left', startedAt: begun, ms: 4_000 },
        { step: step('volumes-back', 'Volumes', 'Volumes attached again'), end: 'already', detail: 'gitea/gitea by gitea/gitea-0 on gandalf-w-3', startedAt: begun + 60_000, ms: 4_000 },
      ],
    },
    ...change,
  };
}

test('the summary marks the node, says how long each part took, who vouched, what was lost and what is back', async () => {
  const text = rebuildSummary(await rebuilt());
  assert.match(text, /│ rebuilt /);
  assert.match(text, /Evict +4\.0 s +━+ +nothing is left/);
  assert.match(text, /The old board is off: port 3 of the switch gives no power, read back\./);
  assert.match(text, /answered all the time \(60 looks, one a second\)/);
  assert.match(text, /What was lost:\n {2}- 3 pods that ran there\nWhat does not come back:\n {2}- logs that lay on its card alone\nWhat is back:\n {2}- Volumes attached again: gitea\/gitea by gitea\/gitea-0 on gandalf-w-3/);
  assert.match(text, /gandalf-w-2 is rebuilt: 1 min 4 s\. Commit firstlight\.lock\.yaml: it keeps the older card out\.$/);
});

test('a person’s word, a silent endpoint, a new MAC and runs before this one are told', async () => {
  const text = rebuildSummary(await rebuilt({
    vouch: { by: 'person', text: '! a person’s word alone: there is no port' }, endpoint: { looks: 60, silent: 2, longestMs: 2_500 }, mac: 'dc:a6:32:fe:00:01',
    record: { node: 'gandalf-w-2', way: 'worker', since: '2026-11-23T06:50:00.000Z', nonce: '00' },
  }));
  assert.match(text, /The old board is off: ! a person’s word alone/);
  assert.match(text, /did not answer 2 of 60 looks, one a second; its longest silence was 2\.5 s/);
  assert.match(text, /is rebuilt: 1 min 4 s, begun 10 min 0 s before\. Its board has the MAC dc:a6:32:fe:00:01\. Commit firstlight\.lock\.yaml and cluster\.yaml/);
  assert.match(text, /Nothing was lost\./);
});

test('as data, and as a plan, nothing is left out', async () => {
  const done = await rebuilt();
  const data = JSON.parse(JSON.stringify(rebuildData(done))) as { readonly code: string; readonly lost: readonly string[]; readonly steps: readonly { readonly id: string }[] };
  assert.deepEqual([data.code, data.lost, data.steps.map(({ id }) => id)], ['rebuild.done', ['3 pods that ran there'], ['evict:gandalf-w-2', 'volumes-back']]);
  assert.equal(planText(done.result.steps.map((end, index) => (index === 0 ? { ...end, end: 'would', detail: 'still there: its Node' } : end))),
    '  ▸ Kubernetes lets go (! What runs there is given up.): still there: its Node\n  ✔ Volumes attached again: gitea/gitea by gitea/gitea-0 on gandalf-w-3');
});
