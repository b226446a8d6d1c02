import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ServerChannel } from 'ssh2';
import type { GitService } from './command.ts';

/** One reference that a push moved; `before` or `after` is undefined where it did not, or no longer does, exist. */
export type Push = { readonly repository: string; readonly ref: string; readonly before?: string; readonly after?: string };

const HOOK = `#!/bin/sh
echo "GH006: Protected branch update failed for the branch you push to." >&2
echo "You are not allowed to push to this protected branch." >&2
exit 1
`;

/** Writes the hook of a protected branch; gives the folder to name as core.hooksPath. */
export async function writeProtection(root: string): Promise<string> {
  const folder = join(root, '.protected-branch');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'pre-receive'), HOOK, { mode: 0o755 });
  return folder;
}

/** What the real git needs to know of the environment; nobody's configuration is read. */
export function gitEnvironment(root: string): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: root, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null', LC_ALL: 'C' };
}

/** Starts the real `git upload-pack` or `git receive-pack` and joins it to an SSH channel; `ended` gets its exit code. */
export function serveChannel(channel: ServerChannel, service: GitService, path: string, options: {
  readonly env: Readonly<Record<string, string>>;
  readonly hooks?: string;
  ended(exitCode: number): void | Promise<void>;
}): ChildProcess {
  const hooks = options.hooks === undefined ? [] : ['-c', `core.hooksPath=${options.hooks}`];
  const child = spawn('git', [...hooks, service, path], { env: options.env, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {});
  channel.on('error', () => {});
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  channel.once('close', () => child.kill('SIGKILL'));
  const finish = async (exitCode: number): Promise<void> => {
    await options.ended(exitCode);
    channel.exit(exitCode);
    channel.end();
  };
  child.once('error', () => void finish(127));
  child.once('close', (code) => void finish(code ?? 128));
  return child;
}

/** Every reference of a bare repository with its commit. */
export async function references(path: string, env: Readonly<Record<string, string>>): Promise<Map<string, string>> {
  const { stdout } = await promisify(execFile)('git', ['for-each-ref', '--format=%(refname) %(objectname)'], { cwd: path, env });
  return new Map(stdout.split('\n').filter(Boolean).map((line) => line.split(' ') as [string, string]));
}

/** What differs between two looks at a repository's references. */
export function movedReferences(repository: string, before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): Push[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((ref) => before.get(ref) !== after.get(ref)).map((ref) => {
    const [was, is] = [before.get(ref), after.get(ref)];
    return { repository, ref, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { after: is }) };
  });
}
