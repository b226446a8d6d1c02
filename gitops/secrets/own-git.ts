import { problem } from '../../lib/errors.ts';
import type { CommandResult, Host } from '../../lib/host.ts';

const DEADLINE_MS = 60_000;

/** What may be said beside git's arguments: standard input, variables, and milliseconds for large histories. */
export type GitCall = { readonly stdin?: string; readonly env?: Readonly<Record<string, string>>; readonly timeoutMs?: number };

/** Runs the owner's git in his own work tree: his name, his hooks, his way to the git host. Throws `E_SECRETS_GIT` with git's words. */
export async function ownGit(host: Pick<Host, 'run' | 'mask'>, root: string, args: readonly string[], call: GitCall = {}): Promise<CommandResult> {
  const done = await host.run({ program: 'git', args, cwd: root, timeoutMs: DEADLINE_MS, accept: 'any', ...call, env: { GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C', ...call.env } });
  if (done.exitCode === 0) return done;
  const words = host.mask.hide(`${done.stderr}\n${done.stdout}`).trim().split('\n').map((line) => line.trim()).filter((line) => line !== '').slice(-8).join(' | ');
  throw problem('E_SECRETS_GIT', `git ${args[0] ?? ''} in ${root} failed: ${words || 'no word of why'}`, 'Mend what git names; what was encrypted lies in the work tree and stays. Then run the same command again.');
}

/** Commits these files of the work tree, removed ones too, and nothing else that is staged; gives the commit, or undefined where they hold nothing new. */
export async function commitOwn(host: Pick<Host, 'run' | 'mask'>, root: string, message: string, paths: readonly string[]): Promise<string | undefined> {
  if (paths.length === 0) return undefined;
  // A file whose removal is staged already is no longer known to `add`, but still to `commit`.
  const known = names((await ownGit(host, root, ['ls-files', '-z', '--cached', '--others', '--', ...paths.map(literal)])).stdout);
  if (known.length > 0) await ownGit(host, root, ['add', '--', ...known.map(literal)]);
  const changed = names((await ownGit(host, root, ['diff', '--cached', '--name-only', '--no-renames', '--relative', '-z', '--', ...paths.map(literal)])).stdout);
  if (changed.length === 0) return undefined;
  await ownGit(host, root, ['commit', '--quiet', '--only', '--message', message, '--', ...changed.map(literal)]);
  return (await ownGit(host, root, ['rev-parse', 'HEAD'])).stdout.trim();
}

/** Every path of the work tree below this folder that git does not ignore, each once, sorted, with slashes. Throws `E_SECRETS_GIT`. */
export async function workTreePaths(host: Pick<Host, 'run' | 'mask'>, root: string): Promise<string[]> {
  return names((await ownGit(host, root, ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])).stdout).sort();
}

/** A path that git shall not take for a pattern. */
export function literal(path: string): string {
  return `:(literal)${path}`;
}

function names(text: string): string[] {
  return [...new Set(text.split('\0').filter((name) => name !== ''))];
}

/** Pushes the current branch to where it follows. Throws `E_SECRETS_GIT`. */
export async function pushOwn(host: Pick<Host, 'run' | 'mask'>, root: string): Promise<void> {
  await ownGit(host, root, ['push', '--quiet']);
}
