import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toolsFolder } from './host.ts';
import type { Rehearsal } from './rehearsal.ts';

const cli = fileURLToPath(new URL('../../scripts/cli.ts', import.meta.url));

/** The program in a process of its own; `exit` gives its exit code, `kill` is kill -9 and resolves when it is gone. */
export type StartedCli = { readonly child: ChildProcess; readonly exit: Promise<number | null>; output(): string; kill(): Promise<void> };

/** Starts the program as a person of this rehearsal's world would, with temporary folders below the rehearsal's own; nobody sits at its terminal. */
export function startCli({ host, world }: Pick<Rehearsal, 'host' | 'world'>, words: readonly string[]): StartedCli {
  const [temporary, runtime] = ['tmp', 'runtime'].map((name) => join(host.scratch, name)) as [string, string];
  for (const folder of [temporary, runtime]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const env = { ...process.env, ...world.environment, XDG_CACHE_HOME: join(toolsFolder(), '..', '..', '..'), TMPDIR: temporary, XDG_RUNTIME_DIR: runtime };
  const child = spawn(process.execPath, [cli, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  return {
    child, exit, output: () => output,
    async kill() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}
