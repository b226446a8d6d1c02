import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { inTurn } from '../../lib/turns.ts';
import { startGuarded } from '../../lab/guard.ts';

const run = promisify(execFile);

/** The S3 server from PyPI that tests speak to, and what it needs to serve. */
const PACKAGES = ['moto[s3]==5.2.5', 'flask==3.1.3', 'flask-cors==6.0.5'];

/** A running S3 server, or the reason why there is none here. Any keys are good; it starts without buckets, and lists five objects a page. */
export type S3Server = { readonly endpoint: string; close(): Promise<void> } | { readonly skip: string };

/** Starts moto's server on a port that the system chooses; installs it once, into a Python environment in the cache. `folder` is for its log. */
export async function startS3(folder: string): Promise<S3Server> {
  const home = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'firstlight', 'test', 'moto-5.2.5');
  const python = join(home, 'bin', 'python');
  const whole = join(home, 'whole');
  mkdirSync(home, { recursive: true });
  try {
    if (!existsSync(whole)) {
      await inTurn(join(home, '..', 'moto'), async () => {
        if (existsSync(whole)) return;
        await run('python3', ['-m', 'venv', '--clear', home], { timeout: 120_000 });
        await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES], { timeout: 240_000 });
        writeFileSync(whole, '');
      });
    }
  } catch (error) {
    return { skip: `moto can't be installed with Python's pip here: ${(error as Error).message.split('\n')[0]}` };
  }
  const log = join(folder, 'moto.log');
  openSync(log, 'a');
  const server = await startGuarded({ program: python, args: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], env: { PATH: '/usr/bin:/bin', PYTHONUNBUFFERED: '1', MOTO_S3_DEFAULT_MAX_KEYS: '5' }, log });
  for (let looks = 0; ; looks += 1) {
    const endpoint = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(readFileSync(log, 'utf8'))?.[1];
    if (endpoint !== undefined) return { endpoint, close: () => server.kill() };
    if (looks > 600) throw new Error(`moto did not start: ${readFileSync(log, 'utf8')}`);
    await sleep(100);
  }
}
