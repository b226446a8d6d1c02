import type { EtcdObservation } from './etcd.ts';

/**
 * What was decided before, as the caller has it on disk (fsynced before the call is sent). `finished` is added once etcd was
 * seen running afterwards: from then on an empty etcd is a loss to restore from a snapshot, never a reason to bootstrap.
 */
export type BootstrapIntent = { readonly node: string; readonly finished?: boolean };

/** What to do about the bootstrap of etcd. */
export type BootstrapDecision =
  | { readonly kind: 'bootstrap'; readonly node: string }
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'done'; readonly node: string }
  | { readonly kind: 'refuse'; readonly reason: string; readonly hint: string };

/**
 * Decides about the one bootstrap from a look at every control plane. Pure. `controlPlanes` are the declared names in their
 * order: the first is the one to bootstrap. It never says `bootstrap` while any of them runs or holds an etcd, failed, or
 * could not be asked, nor for another node than an earlier intent's: a second bootstrap elsewhere makes a second cluster
 * (siderolabs/talos:internal/app/machined/internal/server/v1alpha1/v1alpha1_server.go looks at its own machine only).
 * `recovering`: it was decided, and is on disk, that the lost etcd is made anew, from a snapshot or from nothing. That lifts the one
 * refusal of an etcd that was bootstrapped before and is gone; all others stand.
 */
export function bootstrapDecision(controlPlanes: readonly string[], observations: readonly EtcdObservation[], intent?: BootstrapIntent, recovering = false): BootstrapDecision {
  const seen = new Map(observations.map((each) => [each.node, each]));
  const first = controlPlanes[0];
  if (first === undefined) return refuse('the cluster has no control plane', 'Declare one in cluster.yaml.');
  const stranger = observations.find((each) => !controlPlanes.includes(each.node));
  if (stranger) return refuse(`${stranger.node} is not a declared control plane`, 'Ask only the control planes of cluster.yaml.');
  const all = controlPlanes.map((node) => seen.get(node) ?? { node, asked: false as const, seen: 'not looked at' });

  const running = all.find((each) => each.asked && each.phase === 'running');
  if (running) return { kind: 'done', node: running.node };

  const failed = all.find((each) => each.asked && each.phase === 'failed');
  if (failed) {
    return refuse(`etcd on ${failed.node} has failed`, `See \`talosctl -n ${failed.node} service etcd\`; a failed recovery needs a reset of that node before anything else.`);
  }
  const silent = all.find((each) => !each.asked);
  if (silent && !silent.asked) return { kind: 'wait', reason: `${silent.node} can't be asked about its etcd: ${silent.seen}` };
  const holding = all.find((each) => each.asked && (each.data === 'present' || each.member !== undefined));
  if (holding) return { kind: 'wait', reason: `${holding.node} already holds etcd data; waiting for its etcd to run` };

  if (intent?.finished && !recovering) {
    return refuse(`etcd was bootstrapped on ${intent.node} before and its data is gone from every control plane`, 'Restore it from the last snapshot: `firstlight restore`.');
  }
  if (intent && !intent.finished && intent.node !== first) {
    return refuse(`a bootstrap of ${intent.node} was begun before, now ${first} would be first`,
      `Let ${intent.node} be the first control plane again, or make sure that it never got an etcd and remove the recorded intent.`);
  }
  const early = all.find((each) => each.asked && each.phase !== 'preparing');
  if (early && early.asked) return { kind: 'wait', reason: `${early.node}: ${early.detail}` };
  return { kind: 'bootstrap', node: first };
}

function refuse(reason: string, hint: string): BootstrapDecision {
  return { kind: 'refuse', reason, hint };
}
