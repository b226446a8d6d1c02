import type { Host } from '../../lib/host.ts';
import { secretFiles, type Homelab, type SecretFile } from './homelab.ts';
import { literal, ownGit } from './own-git.ts';

/** The last line of messages of commits that only encrypt anew: they change every line and no value. */
export const REKEYED = 'Secrets-Rekeyed: true';

/** How long a value has been what it is: `days` since the commit that set it, `atLeast` where the history is cut off there (a shallow clone); undefined where it is not committed yet. */
export type ValueAge = { readonly path: string; readonly key: string; readonly days: number | undefined; readonly atLeast?: true };

const DAY_MS = 86_400_000;
const HISTORY_MS = 10 * 60_000;

/** When a line was committed, in milliseconds since 1970; `edge` where git knows no commit before that one. */
type Time = { readonly at: number; readonly edge: boolean };

/**
 * The age of every encrypted value, oldest first, by git's own record of who changed its line; commits that only encrypted anew are
 * looked through. What was encrypted anew by other means counts as set then. Only files that changed more than once are asked for
 * line by line (`git blame`).
 */
export async function valueAges(host: Host, homelab: Homelab, files?: readonly SecretFile[]): Promise<ValueAge[]> {
  const { root } = homelab;
  const rekeyed = (await ownGit(host, root, ['log', '--no-show-signature', '--no-color', '--format=%H', '--fixed-strings', `--grep=${REKEYED}`], { timeoutMs: HISTORY_MS })).stdout.split('\n').filter((line) => line !== '');
  const shallow = (await ownGit(host, root, ['rev-parse', '--is-shallow-repository'])).stdout.trim() === 'true';
  const once = await changedOnce(host, root);
  const ages: ValueAge[] = [];
  for (const { path, content } of files ?? await secretFiles(host, homelab)) {
    if (content.kind !== 'encrypted') continue;
    const whole = once.get(path);
    const times = whole ? undefined : await lineTimes(host, root, path, rekeyed);
    for (const { path: key, line } of content.keys) {
      const time = whole ?? times?.get(line);
      ages.push({ path, key, days: time === undefined ? undefined : Math.floor((host.clock.now() - time.at) / DAY_MS), ...(shallow && time?.edge ? { atLeast: true as const } : {}) });
    }
  }
  return ages.sort((a, b) => (b.days ?? -1) - (a.days ?? -1));
}

/** The files that one commit alone touched, and that lie as it left them; with the time of it. */
async function changedOnce(host: Host, root: string): Promise<ReadonlyMap<string, Time>> {
  const once = new Map<string, Time>();
  const { exitCode } = await host.run({ program: 'git', args: ['rev-parse', '--quiet', '--verify', 'HEAD^{commit}'], cwd: root, accept: 'any' });
  if (exitCode !== 0) return once;
  const { stdout } = await ownGit(host, root, ['log', '--no-show-signature', '--no-color', '--format=%x00%x00%ct %P', '--name-status', '--find-renames', '-m', '-z', '--relative', '--', literal('.')], { timeoutMs: HISTORY_MS });
  const many = new Set<string>();
  for (const part of stdout.split(/\0{2,}/).slice(1)) {
    const [head = '', ...rest] = part.split('\0');
    const time: Time = { at: Number(/^\d+/.exec(head)?.[0]) * 1000, edge: !/^\d+ \S/.test(head) };
    // A status and its path, of a renamed file (whose lines are older than its name) the old one and the new one.
    for (let at = 0; at < rest.length - 1;) {
      const renamed = /^\s*[RC]/.test(rest[at] ?? '');
      const path = rest[at + (renamed ? 2 : 1)] ?? '';
      if (renamed || once.has(path)) many.add(path);
      once.set(path, time);
      at += renamed ? 3 : 2;
    }
  }
  const { stdout: dirty } = await ownGit(host, root, ['diff', 'HEAD', '--name-only', '--no-renames', '--relative', '-z']);
  for (const path of [...many, ...dirty.split('\0')]) once.delete(path);
  return once;
}

/** When each line of a file (from 1) was committed. */
async function lineTimes(host: Host, root: string, path: string, ignored: readonly string[]): Promise<ReadonlyMap<number, Time>> {
  const args = ['-c', 'blame.ignoreRevsFile=', 'blame', '--line-porcelain', ...ignored.flatMap((commit) => ['--ignore-rev', commit]), '--', path];
  const { exitCode, stdout } = await host.run({ program: 'git', args, cwd: root, env: { LC_ALL: 'C' }, accept: 'any' });
  const times = new Map<number, Time>();
  if (exitCode !== 0) return times;
  let line = 0;
  let committed = false;
  for (const text of stdout.split('\n')) {
    const head = /^([0-9a-f]{40,64}) \d+ (\d+)/.exec(text);
    if (head) {
      line = Number(head[2]);
      committed = !/^0+$/.test(head[1] ?? '');
    }
    const time = /^committer-time (\d+)$/.exec(text)?.[1];
    if (time !== undefined && committed) times.set(line, { at: Number(time) * 1000, edge: false });
    const found = text === 'boundary' ? times.get(line) : undefined;
    if (found) times.set(line, { ...found, edge: true });
  }
  return times;
}
