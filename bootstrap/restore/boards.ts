import type { ClusterNode } from '../../nodes/cluster.ts';
import { boardSteps, letGoSteps, notForTheOld } from '../rebuild/parts.ts';
import type { Step } from '../step.ts';
import { boardStep } from '../steps/boards.ts';
import { configStep } from '../steps/config.ts';
import { fenceStep } from '../steps/fence.ts';
import type { Restore } from './restore-of.ts';

/** Steps and the ids of those that the next ones wait for. */
export type Stretch = { readonly steps: readonly Step[]; readonly last: readonly string[] };

/** Every lost board is off, and the NAS has let go of it, before anything is given to a new one: no old board may write while an earlier state comes back. */
export function fenceSteps({ facts, boards }: Restore, needs: readonly string[]): Stretch {
  const each = [...boards.values()].map((rebuild) => {
    const fence = fenceStep(facts, rebuild.node, { needs });
    return [fence, ...letGoSteps(rebuild, [fence.id])];
  });
  return { steps: each.flat(), last: each.length === 0 ? needs : each.map((steps) => steps.at(-1)!.id) };
}

/**
 * Every node runs its config: lost ones from new cards (those of one reader one after another), ones that wait are given theirs, the others
 * are looked at. Workers after the control planes: they get their certificates from those.
 */
export function nodeSteps(restore: Restore, needs: readonly string[]): Stretch {
  const { facts, boards, lookout, patience } = restore;
  const controlPlanes = facts.cluster.nodes.filter((node) => node.role === 'control plane').map((node) => `config:${node.name}`);
  const each = facts.cluster.nodes.map((node) => {
    const rebuild = boards.get(node.name);
    const steps = rebuild ? boardSteps(rebuild, needs).map((step) => (step.id.startsWith('card:') ? { ...step, lane: laneOf(node) } : step))
      : [boardStep(facts, node, lookout, needs, patience.bootMs), configStep(facts, node, [`board:${node.name}`], patience.bootMs)];
    return steps.map((step) => (step.id === `config:${node.name}` && node.role === 'worker' ? { ...step, needs: [...step.needs, ...controlPlanes] } : step));
  });
  return { steps: each.flat(), last: facts.cluster.nodes.map((node) => `config:${node.name}`) };
}

function laneOf({ card }: ClusterNode): string {
  return `reader ${card?.device ?? ''}`;
}

/** The same steps; those of a node that gets a new card stop where the machine at its address turns out to be the old board. */
export function guarded({ boards }: Restore, steps: readonly Step[]): readonly Step[] {
  return steps.map((step) => {
    const rebuild = step.node === undefined ? undefined : boards.get(step.node);
    return rebuild ? notForTheOld(rebuild, step) : step;
  });
}
