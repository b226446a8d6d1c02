import { z } from 'zod';
import type { RunEvent } from '../../lib/host.ts';
import type { Cluster } from '../../nodes/cluster.ts';
import { duration } from './view.ts';

/** With what a rehearsal says that it stays open. */
export const HELD_OPEN = 'Held open.';

/** What came of one of several rehearsals. */
export type CourseResult = { readonly ok: boolean; readonly ms: number; readonly steps: number; readonly acted: number; readonly error?: unknown };

/** The course of one of several rehearsals, as its process tells it in JSON lines. Times are milliseconds since 1970. */
export type Course = {
  readonly id: string;
  readonly label: string;
  readonly cluster: Cluster;
  /** Resolves when the world is held open. */
  readonly held: Promise<void>;
  started(at: number): void;
  take(line: string, at: number): void;
  ended(exitCode: number, stderr: string, at: number): void;
  result(): CourseResult;
  /** Lines said about it that stand in the summary, and the frame of its error. */
  told(): { readonly lines: readonly string[]; readonly access: string; readonly frame: string; readonly last: string };
};

const Told = z.looseObject({
  code: z.string(), step: z.string().optional(), message: z.string().optional(),
  data: z.looseObject({ steps: z.array(z.looseObject({ id: z.string(), title: z.string() })).optional() }).optional(), error: z.unknown().optional(),
});

/** Begins to follow a rehearsal: `show` gets what a list shows of it, `pass` every event of its own with the cluster's label. */
export function beginCourse(cluster: Cluster, label: string, show: (event: RunEvent) => void, pass: (event: RunEvent) => void): Course {
  const id = cluster.folder;
  const held = Promise.withResolvers<void>();
  const titles = new Map<string, string>();
  const done = new Set<string>();
  const lines: string[] = [];
  let [acted, from, to, ok] = [0, 0, 0, false];
  let error: unknown;
  let [access, frame, last] = ['', '', ''];
  const settle = (success: boolean, at: number): void => {
    [ok, to] = [success, at];
    const ms = to - from;
    show({ code: success ? 'step.done' : 'step.failed', step: id, message: success ? `${cluster.nodes.length} nodes, ${acted} of ${titles.size} steps had to be done` : faultText(error), data: { ms } });
  };
  return {
    id, label, cluster, held: held.promise,
    started(at) {
      from = at;
      show({ code: 'step.started', step: id });
      show({ code: 'step.acting', step: id, message: 'a world of its own' });
    },
    take(line, at) {
      const event = read(line);
      if (!event) return;
      pass({ ...event, cluster: label } as unknown as RunEvent);
      const { code, step, message = '', data } = event;
      if (code === 'run.failed') error = event.error;
      if (code === 'run.steps') for (const each of data?.steps ?? []) titles.set(each.id, each.title);
      if ((code === 'step.done' || code === 'step.already') && step !== undefined && !done.has(step)) {
        done.add(step);
        if (code === 'step.done') acted += 1;
        last = message;
        show({ code: 'step.acting', step: id, message: `${done.size} of ${titles.size}, ${titles.get(step) ?? step}: ${message}` });
      }
      if (code !== 'say') return;
      if (message.startsWith(HELD_OPEN)) {
        settle(true, at);
        held.resolve();
      } else if (message.includes('export KUBECONFIG')) access = message;
      else if (!message.includes('\n') && !message.startsWith('Rehearsing ')) lines.push(message);
    },
    ended(exitCode, stderr, at) {
      if (ok) return;
      frame = exitCode === 0 ? '' : stderr.trim();
      error ??= exitCode === 0 ? undefined : { code: 'E_REHEARSAL', message: `its process ended with ${exitCode}` };
      settle(exitCode === 0, at);
    },
    result: () => ({ ok, ms: to - from, steps: titles.size, acted, ...(error === undefined ? {} : { error }) }),
    told: () => ({ lines, access, frame, last }),
  };
}

/** What several rehearsals came to: a line for each, what was said of each, and the errors of those that failed. */
export function severalText(courses: readonly Course[]): string {
  const width = Math.max(...courses.map(({ label }) => label.length));
  const rows = courses.map((course) => {
    const { ok, ms, acted, steps, error } = course.result();
    const name = course.label.padEnd(width);
    if (!ok) return `  ✖ ${name}  ${duration(ms).padStart(9)}  ${faultText(error)}`;
    return `  ✔ ${name}  ${duration(ms).padStart(9)}  ${course.cluster.nodes.length} nodes, ${acted} of ${steps} steps had to be done; ${course.told().last}`;
  });
  const more = courses.flatMap((course) => {
    const { lines, access, frame } = course.told();
    return [...lines.map((line) => `${course.label}: ${line}`), ...(access ? ['', `${course.label}:`, access] : []), ...(frame ? ['', `${course.label}:`, frame] : [])];
  });
  const failed = courses.filter((course) => !course.result().ok).map(({ label }) => label);
  const verdict = failed.length === 0 ? `${courses.length === 1 ? '1 cluster is' : `${courses.length} clusters are`} up, each in a world of its own.` : `${failed.length} of ${courses.length} clusters did not come up: ${failed.join(', ')}.`;
  return ['', ...rows, '', ...(more.length > 0 ? [...more, ''] : []), verdict].join('\n');
}

function read(line: string): z.infer<typeof Told> | undefined {
  try {
    const parsed = Told.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

function faultText(error: unknown): string {
  const { code = 'E_REHEARSAL', message = '' } = (error ?? {}) as { code?: string; message?: string };
  return `${code} ${message}`.trim();
}
