import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createMask } from '../../../lib/masking.ts';
import { createRunner } from '../../../lib/process.ts';
import { toolPrograms, toolsFolder } from '../../support/host.ts';
import { processesNaming, until } from '../../support/processes.ts';

// A small cluster that is reached by names, rehearsed in a network namespace of its own and looked into from another shell.

const cli = fileURLToPath(new URL('../../../scripts/cli.ts', import.meta.url));
const valid = fileURLToPath(new URL('../../inventories/valid/nodes-only.yaml', import.meta.url));
const allowed = spawnSync('unshare', ['--user', '--map-root-user', '--net', '--mount', '/bin/sh', '-c', 'ip link set lo up && mount --bind /etc/hosts /etc/hosts']).status === 0;

test('held open in its own namespace: real addresses and names inside by nsenter, nothing of it outside, nothing left', { skip: !allowed && 'this system allows no namespaces' }, async () => {
  const home = mkdtempSync(join(tmpdir(), 'firstlight-namespace-'));
  const [temporary, runtime, folder] = [join(home, 'tmp'), join(home, 'run'), join(home, 'homelab', 'machines', 'tiny')];
  for (const each of [temporary, runtime, folder]) mkdirSync(each, { recursive: true, mode: 0o700 });
  const real = readFileSync(valid, 'utf8');
  const named = real.replace(/endpoint: .*/, 'endpoint: https://api.tiny.example:6443');
  assert.notEqual(named, real);
  writeFileSync(join(folder, 'cluster.yaml'), named);
  const env = { ...process.env, TMPDIR: temporary, XDG_RUNTIME_DIR: runtime };
  const child = spawn(process.execPath, [cli, 'rehearse', folder, '--keep', '--plain'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  try {
    await until('the rehearsal holds the cluster open', 300_000, () => {
      assert.equal(child.exitCode, null, said);
      return said.includes('Held open.');
    });
    assert.match(said, /Rehearsing tiny in the lab, in a network of its own that has the real addresses and no way out: nothing real is touched\./);
    const [enter = '', ...words] = /^ {2}(nsenter .*)$/m.exec(said)?.[1]?.split(' ') ?? [];
    const settings = Object.fromEntries([...said.matchAll(/^ {2}export (\w+)=(.*)$/gm)].map((match) => [match[1]!, match[2]!.replace('$PATH', process.env['PATH'] ?? '')]));
    const run = createRunner({ programs: toolPrograms(), environment: { HOME: home, ...settings, TMPDIR: temporary, XDG_RUNTIME_DIR: runtime, XDG_CACHE_HOME: join(toolsFolder(), '..', '..', '..') }, signal: new AbortController().signal, mask: createMask() });
    const inside = async (program: string, ...args: string[]): Promise<string> => (await run({ program: enter, args: [...words, program, ...args] })).stdout;
    assert.match(readFileSync(settings['KUBECONFIG']!, 'utf8'), /server: https:\/\/api\.tiny\.example:6443/);
    assert.match(await inside('kubectl', 'get', 'nodes', '--no-headers'), /^\S+ +Ready /);
    const [controlPlane] = /192\.168\.77\.\d+/.exec(/talosctl -n (\S+)/.exec(said)?.[1] ?? '') ?? assert.fail('no real address is said');
    assert.match(await inside('talosctl', '-n', controlPlane!, 'get', 'members'), /192\.168\.77\./);
    assert.match(await inside('ip', '-o', 'link', 'show', 'up'), /^\d+: lo: .*\n$/);
    const status = await run({ program: enter, args: [...words, process.execPath, cli, 'status', /firstlight status (\S+)/.exec(said)![1]!, '--plain'], accept: 'any' });
    assert.equal(status.exitCode, 0, status.stderr);
    // From outside, not even its name is known.
    const outside = await run({ program: 'kubectl', args: ['get', 'nodes', '--request-timeout=5s'], accept: 'any' });
    assert.notEqual(outside.exitCode, 0);
    child.kill('SIGINT');
    const [code] = await once(child, 'exit') as [number];
    assert.equal(code, 0, said);
    await until('nothing of the rehearsal is left', 20_000, () => processesNaming(home).length === 0 && readdirSync(temporary).length === 0 && readdirSync(runtime).length === 0);
  } finally {
    child.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
});
