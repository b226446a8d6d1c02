import type { RunResult, StepEnd } from '../../bootstrap/runner.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { duration } from './view.ts';

/** What a run did: one line per part with its time, a picture of the cluster, and how long it all took. */
export function summary(cluster: Cluster, result: RunResult): string {
  const acted = result.steps.filter((end) => end.end === 'done');
  const lines = ['', picture(cluster), ''];
  if (acted.length === 0) lines.push(`Nothing had to be done: ${result.steps.length} steps were observed as done.`);
  else {
    lines.push('What was done:', ...table(acted));
    const already = result.steps.length - acted.length;
    if (already > 0) lines.push(`  and ${already} steps were so already`);
  }
  lines.push('', `${title(cluster.name)} is up: ${cluster.nodes.length} nodes, ${duration(result.ms)}.`);
  return lines.join('\n');
}

/** The cluster as a picture of boxes: the switch and NAS above, the nodes below, with roles and addresses. */
export function picture(cluster: Cluster): string {
  const boxes = cluster.nodes.map((node) => [node.name, node.role, node.address, node.port === undefined ? '' : `port ${node.port}`]);
  const width = Math.max(...boxes.flat().map((text) => text.length)) + 2;
  const row = (texts: readonly string[], left: string, right: string): string => texts.map((text) => `${left}${text}${right}`).join(' ');
  const pad = (text: string): string => ` ${text.padEnd(width - 1)}`;
  const line = '─'.repeat(width);
  const body = [0, 1, 2, 3].filter((index) => boxes.some((box) => box[index])).map((index) => row(boxes.map((box) => pad(box[index] ?? '')), '│', '│'));
  const above = [cluster.power ? `PoE switch ${cluster.power.address}` : '', cluster.nas ? `NAS ${cluster.nas.address} (${cluster.nas.luns.map((lun) => lun.name).join(', ')})` : '',
    cluster.gitops ? `git ${cluster.gitops.url}` : ''].filter(Boolean);
  return [...above.map((text) => `  ${text}`), row(boxes.map(() => line), '┌', '┐'), ...body, row(boxes.map(() => line), '└', '┘')].join('\n');
}

function table(ends: readonly StepEnd[]): string[] {
  const width = Math.max(...ends.map((end) => end.step.title.length));
  return ends.map((end) => `  ${end.step.title.padEnd(width)}  ${duration(end.ms).padStart(9)}  ${end.detail}`);
}

function title(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
