import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { testHost } from '../support/host.ts';

const cli = fileURLToPath(new URL('../../scripts/cli.ts', import.meta.url));
const gandalf = fileURLToPath(new URL('../../examples/homelab/machines/gandalf', import.meta.url));
const invalid = (name: string): string => fileURLToPath(new URL(`../inventories/invalid/${name}.yaml`, import.meta.url));

async function firstlight(...args: string[]) {
  const host = testHost();
  const result = await host.run({ program: process.execPath, args: [cli, ...args], accept: 'any', timeoutMs: 30_000 });
  host.remove();
  return result;
}

test('bad input ends with 65: every mistake with its place and what to do, nothing on standard output', async () => {
  const { exitCode, stdout, stderr } = await firstlight('check', invalid('many-mistakes'));
  assert.equal(exitCode, 65);
  assert.equal(stdout, '');
  const places = [...stderr.matchAll(/^ {2}at .*many-mistakes\.yaml:\d+:\d+$/gm)];
  assert.ok(places.length >= 10, stderr);
  assert.equal([...stderr.matchAll(/^ {2}→ /gm)].length, places.length + 1);
});

test('with --json the same mistakes are one line of data', async () => {
  const { exitCode, stdout } = await firstlight('--json', 'check', invalid('many-mistakes'));
  assert.equal(exitCode, 65);
  const last = JSON.parse(stdout.trim().split('\n').at(-1)!) as { code: string; error: { code: string; problems: { error: { where: { line: number } } }[] } };
  assert.equal(last.code, 'run.failed');
  assert.equal(last.error.code, 'E_INVENTORY');
  assert.ok(last.error.problems.every((problem) => problem.error.where.line > 0));
});

test('a misspelt command or option ends with 64 and says where help is', async () => {
  for (const args of [['rehaerse'], ['up', '--nonsense']]) {
    const { exitCode, stderr } = await firstlight(...args);
    assert.equal(exitCode, 64);
    assert.match(stderr, /E_USAGE/);
    assert.match(stderr, /--help/);
  }
});

test('help shows every command with an example', async () => {
  const { exitCode, stdout } = await firstlight('--help');
  assert.equal(exitCode, 0);
  for (const command of ['rehearse', 'up', 'check', 'status', 'tools']) {
    assert.match(stdout, new RegExp(`^ {2}${command}\\b`, 'm'));
    assert.match((await firstlight(command, '--help')).stdout, /Example:\n {2}\$ firstlight /);
  }
});

test('a cluster that is not there is told with those that are', async () => {
  const { exitCode, stderr } = await firstlight('status', 'mordor');
  assert.equal(exitCode, 1);
  assert.match(stderr, /E_CLUSTER_UNKNOWN/);
});

test('git and ssh are missed before anything is begun', async () => {
  const host = testHost();
  const { exitCode, stderr } = await host.run({ program: process.execPath, args: [cli, 'check', gandalf], env: { PATH: host.scratch }, accept: 'any', timeoutMs: 30_000 });
  assert.equal(exitCode, 1);
  assert.match(stderr, /E_NO_PROGRAM {2}git and ssh are not on PATH/);
  assert.match(stderr, /apt install git openssh-client/);
  host.remove();
});
