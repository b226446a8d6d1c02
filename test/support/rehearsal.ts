import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFacts, type Facts } from '../../bootstrap/facts.ts';
import { runSteps, type RunResult } from '../../bootstrap/runner.ts';
import { upSteps } from '../../bootstrap/up.ts';
import { withSignal, type Host, type Question, type RunEvent } from '../../lib/host.ts';
import { refuseCorruption } from '../../lab/nas/verdict.ts';
import { createWorld, type World } from '../../lab/world/world.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { loadCluster } from '../../nodes/load.ts';
import { testHost, toolPrograms, toolsFolder, type TestHost } from './host.ts';

/** A world with the ordinary road through it, for tests that interfere. */
export type Rehearsal = {
  readonly world: World;
  readonly cluster: Cluster;
  readonly host: TestHost;
  /** One `up`, with facts and a scratch folder of its own, as a new command has. `hands` may do other than the world's hands; it is interrupted at the event `stopAt` names. */
  up(options?: { readonly bootMs?: number; readonly hands?: (question: Question) => Promise<string | undefined>; readonly stopAt?: (event: RunEvent) => boolean }): Promise<{ readonly result: RunResult; readonly facts: Facts }>;
  close(): Promise<void>;
};

/** Makes a world of the bundled Gandalf (or another inventory's folder). Images made by the lab are kept in the tools cache. */
export async function openRehearsal(folder: string): Promise<Rehearsal> {
  const host = testHost();
  const root = await mkdtemp(join(tmpdir(), 'firstlight-world-'));
  const world = await createWorld({ host, cluster: await loadCluster(folder), folder: root, cache: join(toolsFolder(), '..', '..', 'lab'), programs: toolPrograms() });
  Object.assign(host.environment, world.environment);
  const cluster = await loadCluster(world.clusterFolder);
  let count = 0;
  return {
    world, cluster, host,
    async up(options = {}) {
      count += 1;
      const scratch = join(host.scratch, `run-${count}`);
      const own: Host = {
        ...host, scratch, cache: join(toolsFolder(), '..', '..'),
        ask: async (question) => await (options.hands ?? world.hands)(question) ?? await host.ask(question),
      };
      await mkdir(scratch, { mode: 0o700 });
      const facts = createFacts(cluster, scratch);
      const stop = new AbortController();
      const stoppable: Host = withSignal({ ...own, emit: (event) => { own.emit(event); if (options.stopAt?.(event)) stop.abort(); } }, stop.signal);
      const result = await runSteps(upSteps(facts, { bootMs: options.bootMs ?? 30_000, joinMs: 120_000 }), stoppable);
      if (world.nas) refuseCorruption(world.nas);
      return { result, facts };
    },
    async close() {
      await world.close();
      host.remove();
      await rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}
