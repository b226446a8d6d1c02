import { lossesTold } from '../../bootstrap/recovery/lost.ts';
import type { Rebuilt } from '../../bootstrap/rebuild/rebuild.ts';
import type { StepEnd } from '../../bootstrap/runner.ts';
import { picture, timeline } from './summary.ts';
import { duration } from './view.ts';

/** What a rebuild did: the cluster with the rebuilt node marked, when each part was walked, who vouched for the fence, what was lost and what is back. */
export function rebuildSummary({ cluster, record, result, vouch, endpoint, conclusion, mac, source }: Rebuilt): string {
  const lost = lostOf(record, result);
  const back = result.steps.filter((end) => ['labels', 'storage-proof', 'claims', 'volumes-back'].includes(end.step.id.split(':')[0]!));
  return [
    '', picture(cluster, { [record.node]: 'rebuilt' }), '', ...timeline(result),
    '', `The old board is off: ${vouch?.text ?? 'its card is an old one from now on'}.`,
    endpoint.looks === 0 ? 'The Kubernetes API was not to be had meanwhile.'
      : endpoint.silent === 0 ? `The Kubernetes API answered all the time (${endpoint.looks} looks, one a second).`
        : `The Kubernetes API did not answer ${endpoint.silent} of ${endpoint.looks} looks, one a second; its longest silence was ${duration(endpoint.longestMs)}.`,
    ...(source === undefined ? [] : [`etcd came back from ${source}.`]),
    '', lost.length === 0 ? 'Nothing was lost.' : 'What was lost:', ...lost.map((each) => `  - ${each}`),
    ...(conclusion.never.length === 0 ? [] : ['What does not come back:', ...conclusion.never.map((each) => `  - ${each}`)]),
    ...(back.length === 0 ? [] : ['What is back:', ...back.map((end) => `  - ${end.step.title}: ${end.detail}`)]),
    '', `${record.node} is rebuilt: ${duration(result.ms)}${sinceText(record.since, result.startedAt)}.${mac === undefined ? '' : ` Its board has the MAC ${mac}.`} Commit firstlight.lock.yaml${mac === undefined ? '' : ' and cluster.yaml'}: it keeps the older card out.`,
  ].join('\n');
}

/** The same as data. */
export function rebuildData({ cluster, record, result, vouch, endpoint, conclusion, mac, source }: Rebuilt): object {
  return {
    code: 'rebuild.done', cluster: cluster.name, node: record.node, way: record.way, since: record.since, ms: result.ms, fence: vouch, endpoint, mac, source,
    lost: lostOf(record, result), never: conclusion.never, steps: result.steps.map(stepData),
  };
}

/** What was known to be lost at the start, and what was seen not to have come back at the end. */
function lostOf(record: Rebuilt['record'], result: Rebuilt['result']): readonly string[] {
  return [...record.lost ?? [], ...result.steps.filter((end) => end.step.id === 'losses').flatMap((end) => lossesTold(end.detail))];
}

/** What a rebuild would do, one line per step. */
export function planText(steps: readonly StepEnd[]): string {
  return steps.map(({ step, end, detail }) => `  ${end === 'would' ? '▸' : '✔'} ${step.title}${end === 'would' && step.danger ? ` (! ${step.danger})` : ''}: ${detail}`).join('\n');
}

/** A step's end as data. */
export function stepData({ step, end, detail, ms }: StepEnd): object {
  return { id: step.id, part: step.part, title: step.title, node: step.node, end, detail, ms };
}

/** When the rebuild began, where runs before this one had a part in it. */
function sinceText(since: string, startedAt: number): string {
  const before = startedAt - Date.parse(since);
  return before > 60_000 ? `, begun ${duration(before)} before` : '';
}
