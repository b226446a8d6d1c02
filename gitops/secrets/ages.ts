import type { Host } from '../../lib/host.ts';
import { git } from '../git.ts';
import { secretFiles, type Homelab } from './homelab.ts';

/** The last line of messages of commits that only encrypt anew: they change every line and no value. */
export const REKEYED = 'Secrets-Rekeyed: true';

/** How long a value has been what it is: `days` since the commit that set it; undefined where it is not committed yet. */
export type ValueAge = { readonly path: string; readonly key: string; readonly days: number | undefined };

const DAY_MS = 86_400_000;

/**
 * The age of every encrypted value, oldest first, by git's own record of who changed its line (`git blame`); commits that only
 * encrypted anew are looked through. What was encrypted anew by other means counts as set then.
 */
export async function valueAges(host: Host, homelab: Homelab): Promise<ValueAge[]> {
  const rekeyed = (await git(host, homelab.root, ['log', '--format=%H', '--fixed-strings', `--grep=${REKEYED}`])).stdout.split('\n').filter((line) => line !== '');
  const ages: ValueAge[] = [];
  for (const { path, content } of await secretFiles(host, homelab)) {
    if (content.kind !== 'encrypted') continue;
    const times = await lineTimes(host, homelab.root, path, rekeyed);
    for (const { path: key, line } of content.keys) {
      const at = times.get(line);
      ages.push({ path, key, days: at === undefined ? undefined : Math.floor((host.clock.now() - at) / DAY_MS) });
    }
  }
  return ages.sort((a, b) => (b.days ?? -1) - (a.days ?? -1));
}

/** When each line of a file (from 1) was committed, in milliseconds since 1970. */
async function lineTimes(host: Host, root: string, path: string, ignored: readonly string[]): Promise<ReadonlyMap<number, number>> {
  const args = ['blame', '--line-porcelain', ...ignored.flatMap((commit) => ['--ignore-rev', commit]), '--', path];
  const { exitCode, stdout } = await host.run({ program: 'git', args, cwd: root, env: { LC_ALL: 'C' }, accept: 'any' });
  const times = new Map<number, number>();
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
    if (time !== undefined && committed) times.set(line, Number(time) * 1000);
  }
  return times;
}
