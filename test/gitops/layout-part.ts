import assert from 'node:assert/strict';
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootstrapFlux, observeFlux } from '../../gitops/flux.ts';
import { restoreFlux } from '../../gitops/flux-restore.ts';
import { observeKustomizations, reconcileNow } from '../../gitops/kustomizations.ts';
import { openRepository } from '../../gitops/repository.ts';
import { waitFor } from '../../lib/conditions.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import type { GitWorld } from './support.ts';

const LAYOUT = fileURLToPath(new URL('./layout-of-flux', import.meta.url));
const AUTHOR = { GIT_AUTHOR_NAME: 'owner', GIT_AUTHOR_EMAIL: 'o@localhost', GIT_COMMITTER_NAME: 'owner', GIT_COMMITTER_EMAIL: 'o@localhost' };

/** A repository in the layout of Flux's guide beside the world's own, its cluster staging, and what a test does with them. */
export type LayoutPart = {
  readonly cluster: Cluster;
  bootstrap(): Promise<string>;
  restore(cluster?: Cluster): Promise<string>;
  observe(): ReturnType<typeof observeFlux>;
  /** Waits until its four Kustomizations are Ready at the newest revision. */
  reconciled(): Promise<void>;
  /** Takes Flux out of the cluster, as its own CLI does; what it applied stays. */
  uninstall(): Promise<void>;
  git(...args: string[]): Promise<string>;
};

/** Publishes the layout as `example.git` on the world's git host. */
export async function layoutPart(world: GitWorld, kubeconfig: string): Promise<LayoutPart> {
  const { host, credentials } = world;
  const bare = join(dirname(world.bare), 'example.git');
  const worktree = join(host.scratch, 'example');
  const run = async (args: string[], cwd: string): Promise<string> => (await host.run({ program: 'git', args, cwd, env: AUTHOR })).stdout;
  cpSync(LAYOUT, worktree, { recursive: true });
  mkdirSync(bare);
  await run(['init', '--quiet', '--bare', '--initial-branch=main', '.'], bare);
  await run(['init', '--quiet', '--initial-branch=main', '.'], worktree);
  await run(['add', '--all'], worktree);
  await run(['commit', '--quiet', '--message', 'what its owner has'], worktree);
  await run(['push', '--quiet', bare, 'main'], worktree);
  const { nas: _, ...rest } = world.cluster;
  const cluster: Cluster = { ...rest, name: 'staging', gitops: { ...world.cluster.gitops!, url: world.cluster.gitops!.url.replace('homelab', 'example'), path: 'clusters/staging' } };
  return {
    cluster,
    bootstrap: () => bootstrapFlux(host, cluster, credentials, kubeconfig),
    restore: (other = cluster) => restoreFlux(host, other, credentials, kubeconfig),
    observe: () => observeFlux(host, cluster, kubeconfig),
    git: (...args) => run(args, bare),
    async uninstall() {
      await host.run({ program: 'flux', args: ['uninstall', '--silent', '--keep-namespace', '--timeout=60s'], env: { KUBECONFIG: kubeconfig }, timeoutMs: 90_000 });
    },
    async reconciled() {
      const { revision } = await openRepository(host, cluster, credentials);
      await reconcileNow(host, kubeconfig);
      await waitFor({
        name: 'the layout is reconciled', deadlineMs: 120_000, everyMs: 500, hint: 'see the logs below the scratch folder',
        look: async () => {
          const states = await observeKustomizations(host, cluster, kubeconfig, revision);
          const seen = states.map(({ name, ready, message }) => `${name}: ${ready ? 'ready' : message}`).join('; ');
          return states.every(({ ready }) => ready) && states.length === 4 ? { met: true, value: true } : { met: false, seen };
        },
      }, host);
      const names = (await observeKustomizations(host, cluster, kubeconfig, revision)).map(({ name }) => name).sort();
      assert.deepEqual(names, ['apps', 'flux-system', 'infra-configs', 'infra-controllers']);
    },
  };
}
