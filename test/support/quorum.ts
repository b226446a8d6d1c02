import { setTimeout as sleep } from 'node:timers/promises';
import type { Rehearsal } from './rehearsal.ts';

/** What etcd did while it was watched: writes that it took, the longest time in milliseconds without one, what was said in those times, and writes that are not there afterwards. */
export type QuorumTold = { readonly writes: number; readonly longestMs: number; readonly said: readonly string[]; readonly gaps: readonly string[] };

/**
 * Writes a key after another into etcd by etcdctl, with all running members as endpoints, while the work is done: each write needs a quorum.
 * In the end etcd's own history says whether every one is there, at rising revisions.
 */
export async function withQuorumWatched<T>(rehearsal: Pick<Rehearsal, 'host' | 'world'>, work: () => Promise<T>): Promise<{ readonly done: T; readonly told: QuorumTold }> {
  const watch = watchQuorum(rehearsal);
  try {
    const done = await work();
    return { done, told: await watch.tell() };
  } finally {
    await watch.end();
  }
}

function watchQuorum({ host, world }: Pick<Rehearsal, 'host' | 'world'>): { tell(): Promise<QuorumTold>; end(): Promise<void> } {
  const prefix = `/firstlight-test/${Date.now()}/`;
  const said: string[] = [];
  const taken: string[] = [];
  let over = false;
  let longestMs = 0;
  let last = Date.now();
  const put = async (key: string): Promise<void> => {
    const done = await host.run({ program: 'etcdctl', args: ['put', key, 'x', '--command-timeout=4s', '--dial-timeout=1s'], env: world.etcdSettings(), accept: 'any', timeoutMs: 15_000 }).catch((error: unknown) => ({ exitCode: 1, stderr: String(error) }));
    if (done.exitCode === 0) {
      taken.push(key);
      longestMs = Math.max(longestMs, Date.now() - last);
      last = Date.now();
    } else said.push(done.stderr.trim().split('\n').at(-1) ?? '');
  };
  const writing = (async () => {
    for (let count = 0; !over; count += 1) {
      await put(`${prefix}${String(count).padStart(6, '0')}`);
      await sleep(250);
    }
  })();
  const end = async (): Promise<void> => {
    over = true;
    await writing;
  };
  return {
    end,
    async tell() {
      await end();
      longestMs = Math.max(longestMs, Date.now() - last);
      const { stdout } = await host.run({ program: 'etcdctl', args: ['get', prefix, '--prefix', '--write-out=json'], env: world.etcdSettings() });
      const kept = (JSON.parse(stdout) as { kvs?: { key: string; mod_revision: number }[] }).kvs ?? [];
      const revisions = new Map(kept.map((each) => [Buffer.from(each.key, 'base64').toString(), each.mod_revision]));
      const gaps = taken.filter((key, index) => !revisions.has(key) || (index > 0 && revisions.get(key)! <= revisions.get(taken[index - 1]!)!));
      return { writes: taken.length, longestMs, said, gaps };
    },
  };
}
