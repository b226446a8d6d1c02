import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { StorageView } from '../../bootstrap/storage-view.ts';
import { createMask } from '../../lib/masking.ts';
import { createRunner } from '../../lib/process.ts';
import { toolPrograms, toolsFolder } from '../support/host.ts';
import { argvSampler, processesNaming, until } from '../support/processes.ts';

// The main job as a person types it, in a process of its own with its own temporary folders.

const cli = fileURLToPath(new URL('../../scripts/cli.ts', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'firstlight-gandalf-'));
const [temporary, runtime] = [join(home, 'tmp'), join(home, 'run')];
const cache = join(toolsFolder(), '..', '..', '..');
const running = new Set<ChildProcess>();

before(() => [temporary, runtime].forEach((folder) => mkdirSync(folder, { mode: 0o700 })));
after(() => {
  running.forEach((child) => child.kill('SIGKILL'));
  rmSync(home, { recursive: true, force: true });
});

type Started = { readonly child: ChildProcess; output(): string };

function start(...args: string[]): Started {
  const child = spawn(process.execPath, [cli, ...args], { env: { ...process.env, TMPDIR: temporary, XDG_RUNTIME_DIR: runtime }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return { child, output: () => output };
}

/** Nothing of a rehearsal is left: no process that names its folders, no folder. */
async function nothingLeft(): Promise<void> {
  await until('nothing of the rehearsal is left', 10_000, () => processesNaming(home).length === 0
    && readdirSync(temporary).length === 0 && readdirSync(runtime).length === 0);
}

test('rehearse --keep --again: up, nothing to do the second time, the real programs see the truth, no secret is seen', async () => {
  const argv = argvSampler();
  // From outside one only gets to a rehearsal on loopback; the others of this file take the network namespace, where there is one.
  const started = start('rehearse', '--plain', '--again', '--keep', '--loopback');
  await until('the rehearsal holds the cluster open', 240_000, () => {
    assert.equal(started.child.exitCode, null, started.output());
    return started.output().includes('Held open.');
  });
  assert.match(started.output(), /Gandalf is up: 4 nodes/);
  assert.match(started.output(), /Again: all \d+ steps observed as done, nothing written/);
  assert.match(started.output(), /The NAS was only read: [1-9]\d* requests, none of which changed anything/);
  const settings = Object.fromEntries([...started.output().matchAll(/^ {2}export (\w+)=(.*)$/gm)].map((match) => [match[1]!, match[2]!.replace('$PATH', process.env['PATH'] ?? '')]));
  const run = createRunner({ programs: toolPrograms(), environment: { HOME: home, ...settings }, signal: new AbortController().signal, mask: createMask() });
  const ask = async (program: string, ...args: string[]): Promise<string> => (await run({ program, args })).stdout;
  const controlPlane = /talosctl -n (\S+) get members/.exec(started.output())![1]!;

  const members = await ask('talosctl', '-n', controlPlane, 'get', 'members');
  for (const name of ['gandalf-cp-1', 'gandalf-w-1', 'gandalf-w-2', 'gandalf-w-3']) assert.match(members, new RegExp(name));
  const nodes = await ask('kubectl', 'get', 'nodes', '--no-headers');
  assert.equal(nodes.trim().split('\n').filter((line) => /^gandalf-\S+\s+Ready\s/.test(line)).length, 4);
  const flux = await ask('flux', 'get', 'all');
  assert.match(flux, /gitrepository\/flux-system/);
  assert.match(await ask('flux', '-n', 'synology-csi', 'get', 'helmreleases'), /synology-csi\s.*\bTrue\b/);
  assert.match(started.output(), /Charts whose objects the lab made in place of the internet: synology-csi [\d.]+\.\n/);
  assert.equal([...flux.matchAll(/kustomization\/\S+\s.*\bTrue\b/g)].length, 6);
  assert.equal((await ask('etcdctl', 'member', 'list')).trim().split('\n').length, 1);
  const secret = await ask('kubectl', 'get', 'secret', '-A', '-o', 'name');
  assert.match(secret, /client-info/);

  const folder = /firstlight status (\S+)/.exec(started.output())![1]!;
  for (const command of ['check', 'status']) {
    const told = await run({ program: process.execPath, args: [cli, command, folder, '--plain'], env: { TMPDIR: temporary, XDG_RUNTIME_DIR: runtime, XDG_CACHE_HOME: cache }, accept: 'any' });
    assert.equal(told.exitCode, 0, `${command}: ${told.stderr}`);
  }

  const listed = await run({ program: process.execPath, args: [cli, 'storage', 'list', folder, '--json'], env: { TMPDIR: temporary, XDG_RUNTIME_DIR: runtime, XDG_CACHE_HOME: cache } });
  const { luns } = (JSON.parse(listed.stdout.trim().split('\n').at(-1)!) as { data: StorageView }).data;
  assert.deepEqual(luns.map(({ declaredAs, targets, volumes }) => [declaredAs, targets.map(({ iqn, chap }) => [iqn, chap]), volumes]), [
    ['gandalf-data', [['iqn.2000-01.com.synology:gandalf-data', 'one-way']], [{ name: 'gandalf-data', phase: 'Bound', claim: 'gitea/gitea' }]],
  ]);
  const users = luns.flatMap(({ targets }) => targets.flatMap(({ sessions }) => sessions.map((session) => session.node)));
  assert.match(users.join(), /^gandalf-w-\d$/);

  assert.match(started.output(), /Volumes +[\d.]+ m?s .* gandalf-data is bound to gitea\/gitea, 20Gi/);
  const picture = / {2}● gandalf-data {2}20 GiB ─▶ target iqn\.2000-01\.com\.synology:gandalf-data ─▶ volume gandalf-data ─▶ claim gitea\/gitea \(Bound\)\n.*\n {4}CHAP, LUN number 1\n {4}↳ in use by (gandalf-w-\d) \((?!127\.0\.0\.1,)127\.[\d.]+, iqn\.2017-11\.dev\.talos:[0-9a-f]{32}\)/.exec(started.output());
  assert.equal(picture?.[1], users.join(), started.output());
  const mounted = /gitea\/gitea mounted on (gandalf-w-\d) from iqn\.2000-01\.com\.synology:gandalf-data, LUN 1: .*canary 1 of gitea\/gitea written by (gandalf-w-\d) and read back/.exec(started.output());
  assert.ok(mounted && mounted[1] === mounted[2] && mounted[1] === users.join(), started.output());

  const seen = argv.stop();
  const secrets = await secretsOf(join(temporary, readdirSync(temporary)[0]!), settings);
  assert.ok(secrets.length > 15, `only ${secrets.length} secrets to look for`);
  const journals = readdirSync(temporary, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('journal.jsonl'));
  assert.equal(journals.length, 2);
  for (const [where, text] of [['argv', seen.join('\n')], ['output', started.output()], ...journals.map((name) => ['journal', readFileSync(join(temporary, name), 'utf8')])]) {
    for (const value of secrets) assert.ok(!text!.includes(value), `a secret is seen in ${where}`);
  }
  assert.deepEqual(filesWith(await nasSecretsOf(join(temporary, readdirSync(temporary)[0]!), settings)), [], 'the NAS password or a CHAP secret lies in a file in the clear');
  started.child.kill('SIGINT');
  const [code] = await once(started.child, 'exit');
  assert.equal(code, 0);
  await nothingLeft();
});

for (const moment of ['Cards: to be written', 'etcd: no control plane', 'Flux bootstrap: Flux is not installed']) {
  test(`kill -9 at “${moment}” leaves nothing running and no folder`, async () => {
    const started = start('rehearse', '--plain');
    await until(moment, 120_000, () => {
      assert.equal(started.child.exitCode, null, started.output());
      return started.output().includes(moment);
    });
    started.child.kill('SIGKILL');
    await once(started.child, 'exit');
    await nothingLeft();
  });
}

test('Ctrl+C in the middle ends with 130 and leaves nothing', async () => {
  const started = start('rehearse', '--plain');
  await until('the boards', 120_000, () => started.output().includes('Machine config of gandalf-cp-1'));
  started.child.kill('SIGINT');
  const [code] = await once(started.child, 'exit');
  assert.equal(code, 130, started.output());
  await nothingLeft();
});

/** What is secret of the NAS: its password and the CHAP secrets, each as it is and as Kubernetes writes it. */
async function nasSecretsOf(world: string, settings: Record<string, string>): Promise<string[]> {
  const run = createRunner({ programs: toolPrograms(), environment: { ...settings, SOPS_AGE_KEY_FILE: join(world, 'home', 'keys.txt') }, signal: new AbortController().signal, mask: createMask() });
  const { stdout } = await run({ program: 'sops', args: ['decrypt', join(world, 'homelab', 'machines', 'gandalf', 'credentials.sops.yaml')] });
  const { nasPassword, chap, mutualChap = {} } = parse(stdout) as { nasPassword: string; chap: Record<string, string>; mutualChap?: Record<string, string> };
  const values = [nasPassword, ...Object.values(chap), ...Object.values(mutualChap)];
  assert.ok(values.length >= 2 && values.every((value) => value.length > 11));
  return values.flatMap((value) => [value, Buffer.from(value).toString('base64')]);
}

/** The files of the rehearsal, and etcd's among them, that hold one of the texts; cards and LUNs are left out. */
function filesWith(texts: readonly string[]): string[] {
  const files = [temporary, runtime].flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
    .filter((path) => !path.endsWith('.img') && statSync(path, { throwIfNoEntry: false })?.isFile());
  assert.ok(files.some((path) => path.endsWith('.wal')) && files.some((path) => path.endsWith('gandalf-data-chap.sops.yaml') || path.includes('.git/objects')));
  return files.filter((path) => {
    const content = readFileSync(path);
    return texts.some((text) => content.includes(text));
  });
}

/** Every secret of a rehearsal's world, read with its own keys: identities, passwords, CHAP, and all of the Talos bundle. */
async function secretsOf(world: string, settings: Record<string, string>): Promise<string[]> {
  const identities = join(world, 'home', 'keys.txt');
  const cluster = join(world, 'homelab', 'machines', 'gandalf');
  const run = createRunner({ programs: toolPrograms(), environment: { ...settings, SOPS_AGE_KEY_FILE: identities }, signal: new AbortController().signal, mask: createMask() });
  const values: string[] = readFileSync(identities, 'utf8').trim().split('\n');
  const walk = (value: unknown, key: string): void => {
    if (typeof value === 'object' && value !== null) Object.entries(value).forEach(([name, each]) => walk(each, name));
    else if (typeof value === 'string' && value.length > 11 && key !== 'crt' && key !== 'id') values.push(...value.trim().split('\n').filter((line) => line.length > 11 && !line.startsWith('-----')));
  };
  for (const file of ['credentials.sops.yaml', 'secrets.sops.yaml']) {
    assert.ok(existsSync(join(cluster, file)));
    walk(parse((await run({ program: 'sops', args: ['decrypt', join(cluster, file)] })).stdout), '');
  }
  return values;
}
