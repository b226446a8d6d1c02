import { chmod, readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { FirstlightError } from '../lib/errors.ts';
import type { Host } from '../lib/host.ts';
import { talosHang, talosProblem, type Called } from './errors.ts';

/**
 * How a machine is spoken to: in maintenance mode without authentication, or with the cluster's talosconfig (a 0600 file).
 * Always directly (endpoint = node), so that one dead machine never stands before another's answer.
 */
export type Access =
  | { readonly address: string; readonly mode: 'maintenance' }
  | { readonly address: string; readonly mode: 'secure'; readonly talosconfigPath: string };

/** What a talosctl call may be given; the deadline is 20 s unless told. */
export type TalosctlOptions = { readonly timeoutMs?: number };

/** What talosctl printed; `stderr` is masked. */
export type TalosctlAnswer = { readonly stdout: string; readonly stderr: string };

/**
 * Runs one talosctl command against one machine, with a deadline: Talos and talosctl have none of their own, and etcd calls
 * hang before the bootstrap. Throws the codes of talos/errors.ts (`E_TALOS_…`), `E_ABORTED`, `E_NO_PROGRAM`.
 */
export async function talosctl(host: Host, access: Access, args: readonly string[], options: TalosctlOptions = {}): Promise<TalosctlAnswer> {
  const called: Called = { what: args.filter((word) => /^[a-z]+$/.test(word)).slice(0, 2).join(' '), address: access.address, mode: access.mode };
  const timeoutMs = options.timeoutMs ?? 20_000;
  const target = ['-n', access.address, '-e', access.address, ...(access.mode === 'maintenance' ? ['--insecure'] : [])];
  const env = { TALOSCONFIG: access.mode === 'secure' ? access.talosconfigPath : '/dev/null' };
  try {
    const done = await host.run({ program: 'talosctl', args: [...args, ...target], env, timeoutMs, accept: 'any' });
    const stderr = host.mask.hide(done.stderr);
    if (done.exitCode !== 0) throw talosProblem(stderr, called);
    return { stdout: done.stdout, stderr };
  } catch (error) {
    if (error instanceof FirstlightError && error.code === 'E_TIMEOUT') throw talosHang(called, Math.round(timeoutMs / 1000));
    throw error;
  }
}

/** The version a machine runs (`v1.11.0`). Not available in maintenance mode of Talos before 1.13 (`E_TALOS_UNIMPLEMENTED`). */
export async function version(host: Host, access: Access): Promise<string> {
  const { stdout } = await talosctl(host, access, ['version', '--short']);
  const server = stdout.split(/^Server:/m)[1] ?? '';
  return /Tag:\s+(\S+)/.exec(server)?.[1] ?? '';
}

/** A file of the machine as text. Throws `E_TALOS_NOT_FOUND` where it does not exist. */
export async function readFileOf(host: Host, access: Access, path: string): Promise<string> {
  return (await talosctl(host, access, ['read', path])).stdout;
}

/** The names in a folder of the machine, without `.`. Throws `E_TALOS_NOT_FOUND` where it does not exist. */
export async function listOf(host: Host, access: Access, path: string): Promise<readonly string[]> {
  const { stdout } = await talosctl(host, access, ['list', path]);
  return stdout.split('\n').slice(1).map((line) => line.trim().split(/\s+/)[1] ?? '').filter((name) => name !== '' && name !== '.');
}

/**
 * Writes the cluster's admin kubeconfig to a 0600 file, replacing it. Its client key is registered with the mask. Works on
 * control planes, already before the bootstrap. Throws `E_TALOS_WORKER` on a worker.
 */
export async function kubeconfig(host: Host, access: Access, outPath: string): Promise<void> {
  await talosctl(host, access, ['kubeconfig', outPath, '--merge=false', '--force'], { timeoutMs: 30_000 });
  await chmod(outPath, 0o600);
  const read = parse(await readFile(outPath, 'utf8')) as { users?: readonly { user?: Record<string, unknown> }[] };
  for (const { user } of read.users ?? []) {
    const key = user?.['client-key-data'];
    if (typeof key !== 'string') continue;
    host.mask.add(key);
    host.mask.add(Buffer.from(key, 'base64').toString());
  }
}
