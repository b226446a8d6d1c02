import type { StepEnd } from '../../bootstrap/runner.ts';
import type { LockFile } from '../../lib/lock-file.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { picture } from './summary.ts';

/** What `status` found: the cluster, where it differs from its file, and what mends that: a rebuild or restore that is under way before anything else. */
export function statusText(cluster: Cluster, ends: readonly StepEnd[], underWay: readonly string[]): string {
  const different = ends.filter((end) => end.end === 'would');
  const told = different.map((end) => `  ✗ ${end.step.title}: ${end.detail}`);
  const verdict = different.length === 0 ? [`${cluster.name} is as declared: ${ends.length} of ${ends.length} looks agree.`]
    : [`${cluster.name} differs from its file in ${different.length} of ${ends.length} looks:`, ...told, ...(underWay.length === 0 ? ['', '`firstlight up` mends what it can.'] : [])];
  return ['', picture(cluster), '', ...verdict, ...(underWay.length === 0 ? [] : ['', ...underWay])].join('\n');
}

/** What is under way and not finished, as sentences; `up` waits for it. */
export function underWayTold({ name }: Pick<Cluster, 'name'>, { rebuild, restore }: Pick<LockFile, 'rebuild' | 'restore'>): readonly string[] {
  return [
    ...(rebuild ? [`! ${rebuild.node} is being rebuilt since ${rebuild.since}, and that is not finished. Go on with it: firstlight rebuild ${name} ${rebuild.node}`] : []),
    ...(restore ? [`! ${name} is being restored since ${restore.since} from ${restore.archive}, and that is not finished. Go on with it: firstlight restore ${name}`] : []),
  ];
}
