import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { FirstlightError, problem } from '../lib/errors.ts';
import { readIfThere, writeWhole } from '../lib/files.ts';
import type { CommandResult, Host } from '../lib/host.ts';
import type { Gitops } from '../nodes/cluster.ts';
import { gitProblem } from './git-errors.ts';
import { knownHostsLine } from './remote.ts';

/** Milliseconds for one call of git, over the network or not. */
const DEADLINE_MS = 60_000;

/** What git is told of the world: no configuration of anybody's, no prompt, English messages. */
const ENVIRONMENT = {
  GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null', GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C',
  GIT_AUTHOR_NAME: 'firstlight', GIT_AUTHOR_EMAIL: 'firstlight@localhost',
  GIT_COMMITTER_NAME: 'firstlight', GIT_COMMITTER_EMAIL: 'firstlight@localhost',
};

/** How to reach the git host: the agent's socket that holds the key, and a known_hosts file with the pinned key alone. */
export type GitAccess = { readonly gitops: Gitops; readonly agent: string; readonly knownHosts: string };

/**
 * Writes the pinned host key as a known_hosts file into the scratch folder and gives its path. OpenSSH may add the host's
 * other keys to it, once the host has proven them over a connection that the pinned key secures (UpdateHostKeys): Go
 * programs, which don't choose the pinned key's type, find theirs then.
 */
export async function writeKnownHosts(host: Host, gitops: Gitops): Promise<string> {
  const line = `${knownHostsLine(gitops)}\n`;
  const path = join(host.scratch, `known_hosts-${createHash('sha256').update(line).digest('hex').slice(0, 8)}`);
  if (!(await readIfThere(path))?.startsWith(line)) await writeWhole(path, line, 0o600);
  return path;
}

/** Runs git on a work tree without the network. Throws `E_PROGRAM` and what host.run throws. */
export async function git(host: Host, worktree: string, args: readonly string[]): Promise<CommandResult> {
  return host.run({ program: 'git', args, cwd: worktree, env: ENVIRONMENT, timeoutMs: DEADLINE_MS });
}

/**
 * Runs git over SSH and gives its answer whatever its exit code. Only a host with the pinned key is spoken to, only the
 * agent's key is offered. Throws `E_GIT_UNREACHABLE` when nothing answers in time.
 */
export async function gitOverSsh(host: Host, access: GitAccess, cwd: string, args: readonly string[]): Promise<CommandResult> {
  const env = { ...ENVIRONMENT, GIT_SSH_COMMAND: sshCommand(access), GIT_SSH_VARIANT: 'ssh' };
  try {
    return await host.run({ program: 'git', args, cwd, env, timeoutMs: DEADLINE_MS, accept: 'any' });
  } catch (error) {
    if (!(error instanceof FirstlightError) || error.code !== 'E_TIMEOUT') throw error;
    throw gitProblem(access.gitops, 'timed out', host.mask.hide);
  }
}

/** The same, and any exit code but 0 is thrown as one of the `E_GIT_…` errors. */
export async function gitOverSshOrThrow(host: Host, access: GitAccess, cwd: string, args: readonly string[]): Promise<string> {
  const done = await gitOverSsh(host, access, cwd, args);
  if (done.exitCode !== 0) throw gitProblem(access.gitops, done.stderr, host.mask.hide);
  return done.stdout;
}

function sshCommand(access: GitAccess): string {
  const options = {
    IdentityAgent: access.agent, UserKnownHostsFile: access.knownHosts, GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes', UpdateHostKeys: 'yes', HashKnownHosts: 'no', CheckHostIP: 'no', BatchMode: 'yes', IdentityFile: 'none',
    PreferredAuthentications: 'publickey', ConnectTimeout: '10', ServerAliveInterval: '10', ServerAliveCountMax: '3', LogLevel: 'ERROR',
  };
  for (const path of [access.agent, access.knownHosts]) {
    if (/["'\\\s]/.test(path)) throw problem('E_SCRATCH', `the scratch folder's path has a blank or a quote in it (${path})`, 'Set TMPDIR to a folder with a plain path.');
  }
  return ['ssh', '-F', '/dev/null', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])].join(' ');
}
