import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { startGuarded } from '../../lab/guard.ts';
import { testHost } from '../support/host.ts';

const guard = fileURLToPath(new URL('../../lab/guard.ts', import.meta.url));

/** Alive and not a zombie. */
function alive(pid: number): boolean {
  return existsSync(`/proc/${pid}/stat`) && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

test('a program is stopped, killed, and its output kept', async () => {
  const host = testHost();
  const log = join(host.scratch, 'log');
  const stopped = await startGuarded({ program: '/bin/sh', args: ['-c', 'trap "echo bye; exit 7" TERM; echo hi; while :; do sleep 0.05; done'], env: { PATH: '/usr/bin:/bin' }, log });
  await until(() => readFileSync(log, 'utf8').includes('hi'));
  await stopped.stop();
  assert.equal(await stopped.exited, 7);
  assert.match(readFileSync(log, 'utf8'), /bye/);
  const killed = await startGuarded({ program: '/bin/sleep', args: ['300'], env: {}, log });
  await killed.kill();
  assert.equal(alive(killed.pid), false);
  host.remove();
});

test('kill -9 of the parent takes the program with it', async () => {
  const host = testHost();
  const code = `import { startGuarded } from ${JSON.stringify(guard)}; const p = await startGuarded({ program: '/bin/sleep', args: ['300'], env: {}, log: ${JSON.stringify(join(host.scratch, 'log'))} }); console.log(p.pid); setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(parent.stdout, 'data') as [Buffer];
  const pid = Number(line.toString());
  assert.ok(alive(pid));
  parent.kill('SIGKILL');
  await until(() => !alive(pid));
  host.remove();
});
