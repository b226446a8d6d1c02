import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readReport } from '../../../bootstrap/report/json.ts';
import type { RehearsalRecord } from '../../../bootstrap/report/types.ts';
import { createMask } from '../../../lib/masking.ts';
import { createRunner } from '../../../lib/process.ts';
import { toolPrograms, toolsFolder } from '../../support/host.ts';
import { processesNaming, until } from '../../support/processes.ts';

// A Gandalf that runs at its real addresses gets 2,000 objects and is backed up; from that one archive every disaster is rehearsed.

const cli = fileURLToPath(new URL('../../../scripts/cli.ts', import.meta.url));
const gandalf = fileURLToPath(new URL('../../../examples/homelab/machines/gandalf', import.meta.url));
const allowed = spawnSync('unshare', ['--user', '--map-root-user', '--net', '--mount', '/bin/sh', '-c', 'ip link set lo up && mount --bind /etc/hosts /etc/hosts']).status === 0;
const skip = !allowed && 'this system allows no namespaces';

const home = mkdtempSync(join(tmpdir(), 'firstlight-scenarios-'));
const [temporary, runtime] = [join(home, 'tmp'), join(home, 'run')];
for (const each of [temporary, runtime]) mkdirSync(each, { recursive: true, mode: 0o700 });
after(() => rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
const env = { ...process.env, TMPDIR: temporary, XDG_RUNTIME_DIR: runtime };
const cluster = join(home, 'homelab', 'machines', 'gandalf');
const key = join(home, 'keys.txt');

test('a Gandalf with 2,000 objects is backed up', { skip, timeout: 900_000 }, async () => {
  const child = spawn(process.execPath, [cli, 'rehearse', gandalf, '--keep', '--plain'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  try {
    await until('the rehearsal holds the cluster open', 600_000, () => {
      assert.equal(child.exitCode, null, said);
      return said.includes('Held open.');
    });
    const [enter = '', ...words] = /^ {2}(nsenter .*)$/m.exec(said)?.[1]?.split(' ') ?? [];
    const settings = Object.fromEntries([...said.matchAll(/^ {2}export (\w+)=(.*)$/gm)].map((match) => [match[1]!, match[2]!.replace('$PATH', process.env['PATH'] ?? '')]));
    const run = createRunner({ programs: toolPrograms(), environment: { HOME: home, ...settings, TMPDIR: temporary, XDG_RUNTIME_DIR: runtime, XDG_CACHE_HOME: join(toolsFolder(), '..', '..', '..') }, signal: new AbortController().signal, mask: createMask() });
    for (const objects of load()) await run({ program: enter, args: [...words, 'kubectl', 'apply', '--server-side', '--filename=-'], stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }), timeoutMs: 300_000 });
    const lived = /firstlight status (\S+)/.exec(said)![1]!;
    await run({ program: enter, args: [...words, process.execPath, cli, 'backup', lived, '--plain'], timeoutMs: 300_000 });
    cpSync(dirname(dirname(lived)), join(home, 'homelab'), { recursive: true });
    rmSync(join(cluster, 'runs'), { recursive: true, force: true });
    copyFileSync(settings['SOPS_AGE_KEY_FILE']!, key);
    child.kill('SIGINT');
    assert.equal((await once(child, 'exit'))[0], 0, said);
  } finally {
    child.kill('SIGKILL');
  }
});

test('every disaster ends as its scenario says, on one page, and nothing is left', { skip, timeout: 45 * 60_000 }, async () => {
  const child = spawn(process.execPath, [cli, 'rehearse', cluster, '--all', '--plain'], { env: { ...env, SOPS_AGE_KEY_FILE: key }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  const [code] = await once(child, 'exit') as [number];
  const [file = ''] = globSync(join(cluster, 'runs', '*-all', 'report.json'));
  const records = file === '' ? [] : readReport(readFileSync(file, 'utf8'), file);
  assert.deepEqual(records.map(({ scenario, verdict, reasons }) => [scenario.name, verdict, reasons]), NINE.map((name) => [name, 'passed', []]), said);
  assert.equal(code, 0, said);
  for (const record of records) assertTold(record);
  assert.deepEqual(records.filter(({ ended }) => ended.end === 'failure').map(({ scenario }) => scenario.name), ['stale-backup', 'wrong-secrets-bundle']);
  assert.match(readFileSync(join(dirname(file), 'report.html'), 'utf8'), /All 9 passed/);
  await until('nothing of the rehearsals is left', 20_000, () => processesNaming(temporary).length === 0);
});

const NINE = ['worker-dead', 'control-plane-dead', 'control-plane-dead-no-snapshot', 'all-nodes-dead', 'nas-configuration-lost', 'git-host-lost', 'cluster-key-lost', 'stale-backup', 'wrong-secrets-bundle'];

function assertTold({ scenario, given, objects, ended, world, phases }: RehearsalRecord): void {
  assert.equal(world.kind, 'namespace');
  assert.ok(given.from === 'archive' && given.objects > 2_000, scenario.name);
  // How long each took is for quiet machines; a busy one may take three times that.
  const ms = phases.reduce((sum, phase) => sum + phase.ms, 0);
  assert.ok(ms < 9 * 60_000, `${scenario.name}: ${Math.round(ms / 1000)} s`);
  if (ended.end === 'failure') return;
  const [before, after] = (['before', 'after'] as const).map((side) => objects.reduce((sum, row) => sum + row[side], 0)) as [number, number];
  assert.ok(before > 2_000, `${scenario.name}: ${before} objects before`);
  if (scenario.name !== 'control-plane-dead-no-snapshot') assert.ok(after > 2_000, `${scenario.name}: ${after} objects after`);
}

/** 2,000 objects of five kinds in four namespaces, Secrets and custom resources among them; those of a kind that is made first come second. */
function load(): readonly (readonly object[])[] {
  const namespaces = ['load-1', 'load-2', 'load-3', 'load-4'];
  const all = Array.from({ length: 400 }, (_, index) => ({ index, metadata: { name: `load-${index}`, namespace: namespaces[index % 4]! } }));
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } } };
  return [
    [
      ...namespaces.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
      { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'widgets.load.example' }, spec: { group: 'load.example', scope: 'Namespaced', names: { plural: 'widgets', singular: 'widget', kind: 'Widget' }, versions: [{ name: 'v1', served: true, storage: true, schema }] } },
      ...all.flatMap(({ index, metadata }) => [
        { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { index: String(index) } },
        { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { canary: `canary-${index}` } },
        { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
        { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }] },
      ]),
    ],
    all.map(({ index, metadata }) => ({ apiVersion: 'load.example/v1', kind: 'Widget', metadata, spec: { size: index } })),
  ];
}
