import type { RunResult, StepEnd } from '../../bootstrap/runner.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { duration } from './view.ts';

/** What a run did: a picture of the cluster, when each part of the road was walked, and how long it all took. */
export function summary(cluster: Cluster, result: RunResult): string {
  const acted = result.steps.filter((end) => end.end === 'done').length;
  const lines = ['', picture(cluster), ''];
  if (acted === 0) lines.push(`Nothing had to be done: ${result.steps.length} steps were observed as done.`);
  else lines.push(...timeline(result), '', `${acted} of ${result.steps.length} steps had to be done; the others were so already.`);
  lines.push('', `${title(cluster.name)} is up: ${cluster.nodes.length} nodes, ${duration(result.ms)}.`);
  return lines.join('\n');
}

const BAR = 36;

/** One line per part of a run: how long it took, when (as a bar over the whole run), and what came of it. */
export function timeline(result: RunResult): string[] {
  const parts = [...new Set(result.steps.map((end) => end.step.part))];
  const width = Math.max(...parts.map((part) => part.length));
  return parts.map((part) => {
    const ends = result.steps.filter((end) => end.step.part === part);
    const from = Math.min(...ends.map((end) => end.startedAt)) - result.startedAt;
    const to = Math.max(...ends.map((end) => end.startedAt + end.ms)) - result.startedAt;
    const [first, last] = [from, to].map((at) => Math.round((at / Math.max(result.ms, 1)) * BAR)) as [number, number];
    const bar = ' '.repeat(Math.min(first, BAR - 1)) + '━'.repeat(Math.max(1, last - first));
    return `  ${part.padEnd(width)}  ${duration(to - from).padStart(9)}  ${bar.padEnd(BAR)}  ${outcome(ends)}`;
  });
}

function outcome(ends: readonly StepEnd[]): string {
  const nodes = new Set(ends.flatMap((end) => end.step.node ?? []));
  return nodes.size > 1 ? `${nodes.size} nodes` : (ends.at(-1)?.detail ?? '');
}

/** The cluster as a picture of boxes: the switch and NAS above, the nodes below, with roles, addresses, and `notes` by node name. */
export function picture(cluster: Cluster, notes: Readonly<Record<string, string>> = {}): string {
  const boxes = cluster.nodes.map((node) => [node.name, node.role, node.address, node.port === undefined ? '' : `port ${node.port}`, notes[node.name] ?? '']);
  const width = Math.max(...boxes.flat().map((text) => text.length)) + 2;
  const row = (texts: readonly string[], left: string, right: string): string => texts.map((text) => `${left}${text}${right}`).join(' ');
  const pad = (text: string): string => ` ${text.padEnd(width - 1)}`;
  const line = '─'.repeat(width);
  const body = [0, 1, 2, 3, 4].filter((index) => boxes.some((box) => box[index])).map((index) => row(boxes.map((box) => pad(box[index] ?? '')), '│', '│'));
  const above = [cluster.power ? `PoE switch ${cluster.power.address}` : '', cluster.nas ? `NAS ${cluster.nas.address} (${cluster.nas.luns.map((lun) => lun.name).join(', ')})` : '',
    cluster.gitops ? `git ${cluster.gitops.url}` : ''].filter(Boolean);
  return [...above.map((text) => `  ${text}`), row(boxes.map(() => line), '┌', '┐'), ...body, row(boxes.map(() => line), '└', '┘')].join('\n');
}

function title(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
