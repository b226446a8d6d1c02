import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { beginCourse, severalText } from '../../scripts/terminal/several.ts';
import type { RunEvent } from '../../lib/host.ts';
import { loadCluster } from '../../nodes/load.ts';
import { processesNaming, until } from '../support/processes.ts';

// How several rehearsals are begun, told and ended. That they come up: test/rehearsal/long/several.test.ts.

const cli = fileURLToPath(new URL('../../scripts/cli.ts', import.meta.url));
const inventories = fileURLToPath(new URL('../inventories', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'firstlight-several-'));
after(() => rmSync(home, { recursive: true, force: true }));

/** A repository with these clusters; `wide` ones are refused on loopback at once. */
function homelab(name: string, clusters: Readonly<Record<string, string>>): string {
  const root = join(home, name);
  for (const [cluster, text] of Object.entries(clusters)) {
    mkdirSync(join(root, 'machines', cluster), { recursive: true });
    writeFileSync(join(root, 'machines', cluster, 'cluster.yaml'), text);
  }
  return root;
}

const tiny = (name: string): string => readFileSync(join(inventories, 'valid/nodes-only.yaml'), 'utf8').replace('name: tiny', `name: ${name}`);
const wide = (name: string): string => tiny(name).replace('192.168.77.0/24', '192.0.0.0/8');

function start(root: string, ...args: string[]) {
  const [temporary, runtime] = [`${root}-tmp`, `${root}-run`];
  for (const folder of [temporary, runtime]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const child = spawn(process.execPath, [cli, ...args], { cwd: root, env: { ...process.env, TMPDIR: temporary, XDG_RUNTIME_DIR: runtime }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => { said.out += chunk.toString(); });
  child.stderr.on('data', (chunk: Buffer) => { said.err += chunk.toString(); });
  return { child, said, ended: once(child, 'close').then(([code]) => code as number | null), left: () => [...readdirSync(temporary), ...readdirSync(runtime), ...processesNaming(root)] };
}

test('one that fails does not end the others; each is told with its error, and the exit code is 1', async () => {
  const run = start(homelab('wide', { dev: wide('dev'), stage: wide('stage') }), 'rehearse', '--every', '--plain', '--loopback');
  assert.equal(await run.ended, 1, run.said.err);
  assert.match(run.said.err, /Rehearsing dev, stage side by side, 2 at once/);
  for (const name of ['dev', 'stage']) {
    assert.match(run.said.err, new RegExp(`^ {2}✖ ${name} +\\d.* E_LAB_SUBNET 192\\.0\\.0\\.0/8 is too wide`, 'm'));
    assert.match(run.said.err, new RegExp(`^${name}:\n✖ E_LAB_SUBNET .*\n {2}→ On loopback a rehearsal takes networks`, 'm'));
  }
  assert.match(run.said.err, /2 of 2 clusters did not come up: dev, stage\.\n$/);
  assert.deepEqual(run.left(), []);
});

test('with --json every event names its cluster, and the last line says what came of each', async () => {
  const run = start(homelab('wide', { dev: wide('dev'), stage: wide('stage') }), 'rehearse', 'dev', 'stage', '--json', '--loopback');
  assert.equal(await run.ended, 1);
  const events = run.said.out.trim().split('\n').map((line) => JSON.parse(line) as { code: string; cluster?: string; data?: { clusters: { cluster: string; ok: boolean; error: { code: string } }[] } });
  assert.deepEqual(events.filter((event) => event.code === 'run.failed').map((event) => event.cluster).toSorted(), ['dev', 'stage']);
  assert.deepEqual(events.at(-1)?.data?.clusters.map(({ cluster, ok, error }) => [cluster, ok, error.code]), [['dev', false, 'E_LAB_SUBNET'], ['stage', false, 'E_LAB_SUBNET']]);
});

test('the mistakes of all files are told before anything is begun; words that contradict each other are usage', async () => {
  const mistaken = start(homelab('mistaken', { dev: 'name: dev\n', stage: 'name: stage\n', prod: tiny('prod') }), 'rehearse', '--every', '--plain');
  assert.equal(await mistaken.ended, 65, mistaken.said.err);
  for (const name of ['dev', 'stage']) assert.match(mistaken.said.err, new RegExp(`machines/${name}/cluster\\.yaml:1`));
  assert.doesNotMatch(mistaken.said.err, /Rehearsing/);
  const root = homelab('wide', { dev: wide('dev') });
  for (const args of [['--every', 'dev'], ['--every', '--at-once', 'none']]) assert.equal(await start(root, 'rehearse', '--plain', ...args).ended, 64);
});

for (const [signal, code, says] of [['SIGINT', 130, /E_ABORTED/], ['SIGKILL', null, /Rehearsing/]] as const) {
  test(`${signal} ends every one of them, those that wait for their turn too, and nothing stays`, async () => {
    const run = start(homelab('tiny', { dev: tiny('dev'), stage: tiny('stage'), prod: tiny('prod') }), 'rehearse', '--every', '--at-once', '2', '--plain');
    await until('two worlds are begun', 60_000, () => {
      assert.equal(run.child.exitCode, null, run.said.err);
      return ['dev', 'prod'].every((name) => new RegExp(`${name}: 1 of \\d+, `).test(run.said.err));
    });
    run.child.kill(signal);
    assert.equal(await run.ended, code, run.said.err);
    await until('nothing is left', 10_000, () => run.left().length === 0);
    assert.match(run.said.err, says);
    assert.doesNotMatch(run.said.err, /stage: /);
  });
}

test('a course is told by its steps, and ends when its world is held open', async () => {
  const cluster = await loadCluster(join(homelab('told', { dev: tiny('dev') }), 'machines/dev'));
  const shown: RunEvent[] = [];
  const passed: RunEvent[] = [];
  const course = beginCourse(cluster, 'dev', (event) => shown.push(event), (event) => passed.push(event));
  course.started(1_000);
  const say = (event: object, at = 2_000): void => course.take(JSON.stringify(event), at);
  say({ code: 'run.steps', data: { steps: [{ id: 'a', title: 'Cards' }, { id: 'b', title: 'etcd' }] } });
  say({ code: 'step.already', step: 'a', message: 'written' });
  say({ code: 'step.done', step: 'b', message: 'cp-1 1f' });
  course.take('not JSON', 2_000);
  say({ code: 'say', message: 'a/b mounted on w-1' });
  say({ code: 'say', message: '\n  export KUBECONFIG=/x\n' });
  say({ code: 'say', message: 'Held open. Ctrl+C ends it and removes everything.' }, 4_500);
  await course.held;
  course.ended(0, '', 9_000);
  assert.deepEqual(course.result(), { ok: true, ms: 3_500, steps: 2, acted: 1 });
  assert.deepEqual(shown.map(({ code, message }) => [code, message]), [
    ['step.started', undefined], ['step.acting', 'a world of its own'], ['step.acting', '1 of 2, Cards: written'], ['step.acting', '2 of 2, etcd: cp-1 1f'],
    ['step.done', '2 nodes, 1 of 2 steps had to be done'],
  ]);
  assert.ok(passed.every((event) => (event as { cluster?: string }).cluster === 'dev'));
  const text = severalText([course]);
  assert.match(text, /✔ dev +3\.5 s {2}2 nodes, 1 of 2 steps had to be done; cp-1 1f\n\ndev: a\/b mounted on w-1\n\ndev:\n\n {2}export KUBECONFIG=\/x/);
  assert.match(text, /1 clusters? (is|are) up/);
});

test('a process that ends without a word is a failure with its last words', async () => {
  const cluster = await loadCluster(join(homelab('told', { dev: tiny('dev') }), 'machines/dev'));
  const course = beginCourse(cluster, 'dev', () => {}, () => {});
  course.started(0);
  course.ended(137, 'out of memory\n', 10);
  assert.deepEqual(course.result().error, { code: 'E_REHEARSAL', message: 'its process ended with 137' });
  assert.match(severalText([course]), /dev:\nout of memory\n\n1 of 1 clusters did not come up: dev\.$/);
});
