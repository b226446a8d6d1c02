import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootstrapFlux, observeFlux } from '../../gitops/flux.ts';
import { COMPONENTS } from '../../gitops/flux-state.ts';
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
  bootstrap(way?: 'bootstrap' | 'upgrade'): Promise<string>;
  restore(cluster?: Cluster): Promise<string>;
  observe(): ReturnType<typeof observeFlux>;
  /** Waits until these Kustomizations are Ready at the newest revision. */
  reconciled(...names: readonly string[]): Promise<void>;
  /** Takes Flux out of the cluster, as its own CLI does; what it applied stays. */
  uninstall(): Promise<void>;
  git(...args: string[]): Promise<string>;
};

/** What an older flux left, when the repository was elsewhere. */
const OLDER = 'v2.0.0';
const OLD_SYNC = `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: { name: flux-system, namespace: flux-system }
spec: { interval: 1m0s, ref: { branch: main }, url: ssh://git@git.example.com/elsewhere.git }
`;

/** Publishes the layout as `example.git` on the world's git host: cluster staging once had an older Flux, production never any. */
export async function layoutPart(world: GitWorld, kubeconfig: string): Promise<LayoutPart> {
  const { host, credentials } = world;
  const bare = join(dirname(world.bare), 'example.git');
  const worktree = join(host.scratch, 'example');
  const run = async (args: string[], cwd: string): Promise<string> => (await host.run({ program: 'git', args, cwd, env: AUTHOR })).stdout;
  cpSync(LAYOUT, worktree, { recursive: true });
  const { stdout } = await host.run({ program: 'flux', args: ['install', '--export', `--components=${COMPONENTS.join(',')}`] });
  const version = /^# Flux Version: (v\S+)$/m.exec(stdout)![1]!;
  writeFileSync(join(worktree, 'clusters/staging/flux-system/gotk-components.yaml'), stdout.replaceAll(version, OLDER));
  writeFileSync(join(worktree, 'clusters/staging/flux-system/gotk-sync.yaml'), OLD_SYNC);
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
    bootstrap: (way = 'bootstrap') => bootstrapFlux(host, cluster, credentials, kubeconfig, { way }),
    restore: (other = cluster) => restoreFlux(host, other, credentials, kubeconfig),
    observe: () => observeFlux(host, cluster, kubeconfig),
    git: (...args) => run(args, bare),
    async uninstall() {
      await host.run({ program: 'flux', args: ['uninstall', '--silent', '--keep-namespace', '--timeout=60s'], env: { KUBECONFIG: kubeconfig }, timeoutMs: 90_000 });
      // The API server takes the kinds away after the command has ended.
      await waitFor({
        name: 'Flux is gone', deadlineMs: 60_000, everyMs: 250, hint: 'see the logs below the scratch folder',
        look: async () => {
          const seen = await observeFlux(host, cluster, kubeconfig);
          return seen.state === 'needed' && seen.why === 'Flux is not installed' ? { met: true, value: true } : { met: false, seen: JSON.stringify(seen) };
        },
      }, host);
    },
    async reconciled(...names) {
      const { revision } = await openRepository(host, cluster, credentials);
      await reconcileNow(host, kubeconfig);
      await waitFor({
        name: 'the layout is reconciled', deadlineMs: 120_000, everyMs: 500, hint: 'see the logs below the scratch folder',
        look: async () => {
          const states = (await observeKustomizations(host, cluster, kubeconfig, revision)).filter(({ name }) => names.includes(name));
          const seen = states.map(({ name, ready, message }) => `${name}: ${ready ? 'ready' : message}`).join('; ');
          return states.every(({ ready }) => ready) && states.length === names.length ? { met: true, value: true } : { met: false, seen };
        },
      }, host);
    },
  };
}
